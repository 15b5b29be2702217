//! Metrics in CloudWatch's embedded metric format: one line of JSON an invocation
//! ([EMF specification](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html)).

use std::io::Write;

use serde_json::{Map, Value, json};

use crate::domain::time::Time;

/// The unit of a measure, as CloudWatch names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// A duration.
    Milliseconds,
}

/// Something measured during an invocation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// How much.
    pub value: f64,
}

impl Measure {
    /// So many of something.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a metric needs no 53 bits")]
    pub fn count(name: &'static str, value: usize) -> Self {
        Self { name, unit: Unit::Count, value: value as f64 }
    }
}

/// Where lines of metrics go.
pub trait Sink: Send + Sync {
    /// Takes one line.
    fn line(&self, line: String);
}

/// Standard output, which Lambda carries to CloudWatch.
#[derive(Debug, Clone, Copy)]
pub struct StandardOutput;

impl Sink for StandardOutput {
    fn line(&self, line: String) {
        if let Err(error) = writeln!(std::io::stdout().lock(), "{line}") {
            tracing::warn!(error = %error, "metrics not written: {error}");
        }
    }
}

/// Nowhere.
#[derive(Debug, Clone, Copy)]
pub struct Nowhere;

impl Sink for Nowhere {
    fn line(&self, _line: String) {}
}

/// The line of one invocation.
#[must_use]
pub fn line(at: Time, function: &str, outcome: &str, measures: &[Measure]) -> String {
    let metrics: Vec<Value> = measures
        .iter()
        .map(|measure| {
            let unit = match measure.unit {
                Unit::Count => "Count",
                Unit::Milliseconds => "Milliseconds",
            };
            json!({"Name": measure.name, "Unit": unit})
        })
        .collect();
    let mut line = Map::new();
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at.millis(),
            "CloudWatchMetrics": [{
                "Namespace": "Tally",
                "Dimensions": [["service", "function", "outcome"]],
                "Metrics": metrics,
            }],
        }),
    );
    for (name, value) in [("service", "tally"), ("function", function), ("outcome", outcome)] {
        line.insert(name.to_owned(), Value::from(value));
    }
    for measure in measures {
        line.insert(measure.name.to_owned(), Value::from(measure.value));
    }
    Value::Object(line).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_declares_what_it_carries() {
        let at = "2026-01-31T09:30:00Z".parse().unwrap();
        let line: Value = serde_json::from_str(&line(at, "get-track", "ok", &[Measure::count("tracks", 2)])).unwrap();
        let declared = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(declared["Metrics"][0], json!({"Name": "tracks", "Unit": "Count"}));
        for name in declared["Dimensions"][0].as_array().unwrap() {
            assert!(line[name.as_str().unwrap()].is_string(), "{name}");
        }
        assert_eq!((&line["tracks"], &line["_aws"]["Timestamp"]), (&json!(2.0), &json!(1_769_851_800_000_i64)));
    }
}
