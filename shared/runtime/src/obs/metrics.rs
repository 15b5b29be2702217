//! Metrics in CloudWatch's embedded metric format
//! ([specification](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html)).
//!
//! CloudWatch bills every combination of a metric and its dimensions by itself. So a metric exists only where an alarm or an
//! operator needs a number that no AWS service measures for free; [`EMITTED`] lists all combinations of a stack, and a
//! measure that is not listed there is not emitted.

use std::io::Write;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use domain::time::Time;
use system::clock::Clock;
use system::environment::Environment;

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Tally";

/// The dimensions of all metrics. The stack keeps what one environment emits from the alarms of another.
pub const DIMENSIONS: [&str; 2] = ["stack", "function"];

/// The most combinations of a metric and a function: at $0.30 a month each, a stack's metrics cost less than $10.
pub const MOST_EMITTED: usize = 33;

/// The variable with the name of the stack.
const STACK: &str = "STACK";

/// The stack of a function that runs outside of one.
const NO_STACK: &str = "none";

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// What an audit found that did not follow from the ledger.
    AuditFindings,
    /// Events that were rejected, for any reason.
    EventsRejected,
    /// Events that the quota of a write key refused.
    LimitedByKey,
    /// Events and views that the quota of a network refused.
    LimitedByNetwork,
    /// Events that the quota of a session refused.
    LimitedBySession,
    /// Events that the quota of a signed-in person refused.
    LimitedByUser,
    /// Periods that are set aside, for they could not be closed.
    PeriodsAside,
    /// How long ago the last closed hour ended.
    WatermarkAge,
}

/// Every metric and the functions that emit it: each pair is a custom metric on the bill.
pub const EMITTED: &[(Metric, &[&str])] = &[
    (Metric::AuditFindings, &["audit-worker"]),
    (Metric::EventsRejected, &["ingest-events"]),
    (Metric::LimitedByKey, &["ingest-events"]),
    (Metric::LimitedByNetwork, &["ingest-events", "record-product-view"]),
    (Metric::LimitedBySession, &["ingest-events"]),
    (Metric::LimitedByUser, &["ingest-events"]),
    (Metric::PeriodsAside, &["rollup-dispatcher"]),
    (Metric::WatermarkAge, &["rollup-dispatcher"]),
];

/// How many custom metrics a stack has at full use.
#[must_use]
pub const fn emitted() -> usize {
    let (mut sum, mut next) = (0, EMITTED);
    while let [(_, functions), rest @ ..] = next {
        sum += functions.len();
        next = rest;
    }
    sum
}

const _: () = assert!(emitted() <= MOST_EMITTED, "more custom metrics than $10 a month pay for");

impl Metric {
    /// Its name in CloudWatch.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuditFindings => "auditFindings",
            Self::EventsRejected => "eventsRejected",
            Self::LimitedByKey => "limitedByKey",
            Self::LimitedByNetwork => "limitedByNetwork",
            Self::LimitedBySession => "limitedBySession",
            Self::LimitedByUser => "limitedByUser",
            Self::PeriodsAside => "periodsAside",
            Self::WatermarkAge => "watermarkAgeSeconds",
        }
    }

    /// Its unit, as CloudWatch names it.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::WatermarkAge => "Seconds",
            _ => "Count",
        }
    }

    /// Whether 0 says no more than silence does.
    const fn is_count(self) -> bool {
        !matches!(self, Self::WatermarkAge)
    }

    /// Whether a function may emit it.
    fn is_emitted_by(self, function: &str) -> bool {
        EMITTED.iter().any(|(metric, functions)| *metric == self && functions.contains(&function))
    }
}

/// Something measured during an invocation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    metric: Metric,
    value: f64,
}

impl Measure {
    /// So many.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a metric needs no 53 bits")]
    pub fn count(metric: Metric, value: usize) -> Self {
        Self { metric, value: value as f64 }
    }

    /// So many seconds.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a metric needs no 53 bits")]
    pub fn seconds(metric: Metric, value: i64) -> Self {
        Self { metric, value: value as f64 }
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

/// Emits the metrics of one function.
#[derive(Clone)]
pub struct Metrics {
    function: &'static str,
    stack: String,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn Sink>,
}

impl Metrics {
    /// The metrics of a function in the stack that the environment names.
    #[must_use]
    pub fn new(function: &'static str, environment: &Environment, clock: Arc<dyn Clock>, sink: Arc<dyn Sink>) -> Self {
        let stack = environment.get(STACK).unwrap_or(NO_STACK).to_owned();
        Self { function, stack, clock, sink }
    }

    /// Emits these as one line; nothing where nothing is to be told.
    pub fn emit(&self, measures: &[Measure]) {
        let (told, unlisted): (Vec<&Measure>, Vec<&Measure>) = measures
            .iter()
            .filter(|measure| measure.value > 0.0 || !measure.metric.is_count())
            .partition(|measure| measure.metric.is_emitted_by(self.function));
        for Measure { metric, .. } in unlisted {
            let (function, metric) = (self.function, metric.name());
            tracing::error!(function, metric, "{metric} is not among the metrics of {function}, and not emitted");
        }
        if !told.is_empty() {
            self.sink.line(line(Time::from(self.clock.now()), (&self.stack, self.function), &told));
        }
    }
}

fn line(at: Time, (stack, function): (&str, &str), measures: &[&Measure]) -> String {
    let declared: Vec<Value> =
        measures.iter().map(|measure| json!({"Name": measure.metric.name(), "Unit": measure.metric.unit()})).collect();
    let mut line = Map::new();
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at.millis(),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [DIMENSIONS], "Metrics": declared}],
        }),
    );
    for (name, value) in DIMENSIONS.into_iter().zip([stack, function]) {
        line.insert(name.to_owned(), Value::from(value));
    }
    for measure in measures {
        line.insert(measure.metric.name().to_owned(), Value::from(measure.value));
    }
    Value::Object(line).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing::Lines;

    #[test]
    fn a_line_declares_what_it_carries() {
        let at = "2026-01-31T09:30:00Z".parse().unwrap();
        let measure = Measure::count(Metric::LimitedByKey, 2);
        let line: Value = serde_json::from_str(&line(at, ("tally-dev", "ingest-events"), &[&measure])).unwrap();
        let declared = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(declared["Metrics"], json!([{"Name": "limitedByKey", "Unit": "Count"}]));
        assert_eq!(declared["Dimensions"], json!([["stack", "function"]]));
        assert_eq!((&line["stack"], &line["function"]), (&json!("tally-dev"), &json!("ingest-events")));
        assert_eq!((&line["limitedByKey"], &line["_aws"]["Timestamp"]), (&json!(2.0), &json!(1_769_851_800_000_i64)));
    }

    #[test]
    fn combinations_are_listed_once_and_cost_less_than_ten_dollars() {
        let all: BTreeSet<(&str, &str)> = EMITTED
            .iter()
            .flat_map(|(metric, functions)| functions.iter().map(|function| (metric.name(), *function)))
            .collect();
        assert_eq!(all.len(), emitted());
        assert_eq!(emitted(), 9, "docs/operations.md states how many there are");
        assert!(emitted() <= MOST_EMITTED);
    }

    #[test]
    fn nothing_is_emitted_that_is_not_listed_and_no_count_of_zero() {
        let lines = Lines::default();
        let metrics = lines.context().metrics("ingest-events");
        let unlisted = Measure::count(Metric::AuditFindings, 1);
        metrics.emit(&[]);
        metrics.emit(&[unlisted, Measure::count(Metric::EventsRejected, 0)]);
        assert!(lines.is_empty());
        metrics.emit(&[unlisted, Measure::count(Metric::EventsRejected, 0), Measure::count(Metric::LimitedByUser, 3)]);
        let line = lines.only();
        assert_eq!((&line["limitedByUser"], &line["stack"]), (&json!(3.0), &json!("none")));
        assert!(line.get("auditFindings").is_none() && line.get("eventsRejected").is_none(), "{line}");
        // An age of 0 is emitted; without it, the alarm would see missing data.
        let lines = Lines::default();
        lines.context().metrics("rollup-dispatcher").emit(&[Measure::seconds(Metric::WatermarkAge, 0)]);
        assert_eq!(lines.only()["watermarkAgeSeconds"], 0.0);
    }
}
