//! What functions measure: alarms read metrics that exist, and no function emits one that is not listed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use local::cloud::Options;
use runtime::obs::metrics::{DIMENSIONS, EMITTED, NAMESPACE, Sink};
use serde_json::{Value, json};

use crate::support::app::{App, event};
use crate::support::clock::OffsetClock;
use crate::tidy::{files, read};

/// The time when everything begins.
const BEGIN: &str = "2026-04-10T12:00:05.000Z";

/// Keeps lines of metrics.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<Value>>);

impl Sink for Lines {
    fn line(&self, line: String) {
        self.0.lock().unwrap().push(serde_json::from_str(&line).unwrap());
    }
}

impl Lines {
    /// The lines with this metric since the last look at any.
    pub(crate) fn take(&self, metric: &str) -> Vec<Value> {
        let lines = std::mem::take(&mut *self.0.lock().unwrap());
        lines.into_iter().filter(|line| line[metric].is_number()).collect()
    }
}

struct Measured {
    app: App,
    clock: Arc<OffsetClock>,
    lines: Arc<Lines>,
}

impl Measured {
    async fn start(parameters: &[(&str, &str)]) -> Self {
        let (clock, lines) = (Arc::new(OffsetClock::default()), Arc::new(Lines::default()));
        clock.set_time(BEGIN.parse::<DateTime<Utc>>().unwrap());
        let change = |options: &mut Options| {
            options.clock = clock.clone();
            options.metrics = lines.clone();
            options.schedules = false;
            options.parameters.extend(parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        };
        Self { app: App::start_with(change).await, clock: clock.clone(), lines: lines.clone() }
    }

    /// The age of the watermark in seconds, as the dispatcher's schedule reports it.
    async fn watermark_age(&self) -> f64 {
        assert!(self.app.cloud.fire("RollupDispatcherFunctionEveryFewMinutes").await);
        let [line] = self.lines.take("watermarkAgeSeconds").try_into().unwrap();
        assert_eq!((&line["stack"], &line["function"]), (&json!("tally"), &json!("rollup-dispatcher")));
        line["watermarkAgeSeconds"].as_f64().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dispatcher_reports_the_age_of_the_watermark_at_each_run() {
    let measured = Measured::start(&[]).await;
    assert_eq!(measured.watermark_age().await, 0.0, "nothing was ever listed");
    let answer = measured.app.post(&json!([event("a", &json!({"timestamp": BEGIN}))])).await;
    assert_eq!(answer.body["accepted"], 1, "{answer:?}");
    measured.app.settled().await;
    measured.clock.set_time(BEGIN.parse::<DateTime<Utc>>().unwrap() + TimeDelta::hours(5));
    // The hour before the play's ended five hours ago and is the last one that is closed.
    let alarming = 7_200.0;
    let open = measured.watermark_age().await;
    assert!((18_000.0..18_100.0).contains(&open) && open > alarming, "{open}");
    measured.app.settled().await;
    // All are closed but the one that has just ended.
    let closed = measured.watermark_age().await;
    assert!((3_600.0..3_700.0).contains(&closed) && closed < alarming, "{closed}");
    measured.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quota_rejections_are_measured_and_accepted_events_are_not() {
    let measured = Measured::start(&[("Quotas", "key=5/5")]).await;
    let events = |from: usize| {
        (from..from + 5).map(|n| event(&format!("e{n}"), &json!({"timestamp": BEGIN}))).collect::<Vec<Value>>()
    };
    measured.app.post(&json!(events(0))).await;
    assert_eq!(measured.lines.take("eventsRejected"), [json!(null); 0]);
    measured.app.post(&json!(events(5))).await;
    let [line] = measured.lines.take("limitedByKey").try_into().unwrap();
    assert_eq!((&line["limitedByKey"], &line["eventsRejected"]), (&json!(5.0), &json!(5.0)));
    let expected = (&json!("tally"), &json!("ingest-events"), &Value::Null);
    assert_eq!((&line["stack"], &line["function"], &line["outcome"]), expected);
    measured.app.finish().await;
}

#[test]
fn alarms_read_metrics_that_functions_emit() {
    let template: serde_yaml_ng::Value = serde_yaml_ng::from_str(&read("template.yaml")).unwrap();
    let mut read = 0;
    for (name, alarm) in template["Resources"].as_mapping().unwrap() {
        let (name, properties) = (name.as_str().unwrap(), &alarm["Properties"]);
        if alarm["Type"] != "AWS::CloudWatch::Alarm" || properties["Namespace"] != NAMESPACE {
            continue;
        }
        let dimensions = properties["Dimensions"].as_sequence().unwrap();
        let names: Vec<&str> = dimensions.iter().map(|dimension| dimension["Name"].as_str().unwrap()).collect();
        assert_eq!(names, DIMENSIONS, "{name}");
        let (metric, function) = (properties["MetricName"].as_str().unwrap(), dimensions[1]["Value"].as_str().unwrap());
        let emitted = EMITTED.iter().find(|(emitted, _)| emitted.name() == metric);
        assert!(emitted.is_some_and(|(_, by)| by.contains(&function)), "{name}: {function} emits no {metric}");
        read += 1;
    }
    assert!(read > 1, "{read} alarms read metrics of functions");
}

#[test]
fn emitted_metrics_are_listed_and_documented() {
    let listed: BTreeSet<(String, String)> = EMITTED
        .iter()
        .flat_map(|(metric, by)| by.iter().map(move |function| ((*function).to_owned(), format!("{metric:?}"))))
        .collect();
    let mut measured = BTreeSet::new();
    for path in files("functions", ".rs") {
        let (source, function) = (read(&path), path.split('/').nth(1).unwrap().to_owned());
        if source.contains("obs::metrics") {
            let names = source.split("Metric::").skip(1);
            let names = names.map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>());
            measured.extend(names.map(|name| (function.clone(), name)));
        }
    }
    assert_eq!(measured, listed);
    let documentation = read("docs/operations.md");
    for (metric, _) in EMITTED {
        assert!(documentation.contains(&format!("`{}`", metric.name())), "docs/operations.md lacks {}", metric.name());
    }
}

/// The texts that `docs/operations.md` quotes from the log, which an operator searches for.
fn quoted_log_texts(page: &str) -> BTreeSet<&str> {
    let before = page.split("\" in the log").collect::<Vec<_>>();
    before.split_last().unwrap().1.iter().map(|text| text.rsplit('"').next().unwrap()).collect()
}

#[test]
fn texts_that_operations_quotes_are_logged() {
    let page = read("docs/operations.md");
    let texts = quoted_log_texts(&page);
    assert!(texts.len() > 4, "{texts:?}");
    let sources: Vec<String> = ["functions", "shared"].iter().flat_map(|folder| files(folder, ".rs")).collect();
    let sources: Vec<String> = sources.iter().map(|path| read(path)).collect();
    for text in texts {
        let logged = format!("\"{text}");
        assert!(
            sources.iter().any(|source| source.contains(&logged)),
            "docs/operations.md quotes {text:?}, which is not logged"
        );
    }
}
