//! Folders that older versions of the local cloud wrote: this version continues from them. `fixtures/README.md` describes
//! how they are recorded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use serde_json::Value;
use system::clock::{Clock, SystemClock};

use crate::support::app::App;
use crate::support::client::token;
use crate::support::clock::OffsetClock;

/// Fields that depend on when a request is answered and on when background work runs: times, and how many sums a rebuild
/// corrects before their projector does.
const TIMING: [&str; 5] = ["asOf", "changedAt", "corrected", "startedAt", "to"];

/// A recorded folder, and what the version that wrote it answered after it had done the pending work.
struct Recording {
    state: tempfile::TempDir,
    recorded_at: DateTime<Utc>,
    requests: Vec<Value>,
}

impl Recording {
    /// A copy of a fixture, as young as if its cloud had just stopped: readers drop records that are a day old.
    fn open(name: &str) -> Self {
        let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("integration/fixtures").join(name);
        let state = tempfile::tempdir().unwrap();
        for file in ["dynamodb.sqlite", "sqs.sqlite", "secrets.json", "state-format"] {
            std::fs::copy(fixture.join(file), state.path().join(file)).unwrap();
        }
        let database = rusqlite::Connection::open(state.path().join("dynamodb.sqlite")).unwrap();
        database.execute("UPDATE _stream_records SET created_at = ?1", [SystemClock.now().timestamp()]).unwrap();
        let recorded: Value = serde_json::from_slice(&std::fs::read(fixture.join("answers.json")).unwrap()).unwrap();
        let recorded_at = recorded["recordedAt"].as_str().unwrap().parse().unwrap();
        Self { state, recorded_at, requests: recorded["requests"].as_array().unwrap().clone() }
    }

    /// A cloud of this version on the folder, in which it is the time of the recording.
    async fn start(&self) -> App {
        let clock = OffsetClock::default();
        clock.set_time(self.recorded_at);
        App::start_with(|options| {
            options.state = Some(self.state.path().to_owned());
            options.clock = Arc::new(clock);
            options.channels = true;
            options.schedules = false;
            options.parameters.remove("PurchaseApproval");
        })
        .await
    }

    /// The requests that are not answered as they were recorded, with both answers.
    async fn differences(&self, app: &App) -> Vec<String> {
        let mut differences = Vec::new();
        for request in &self.requests {
            let (path, person) = (request["path"].as_str().unwrap(), &request["person"]);
            let token = person["sub"]
                .as_str()
                .map(|subject| token(app, subject, person["role"].as_str().unwrap(), self.recorded_at));
            let headers: Vec<_> = token.iter().map(|token| ("authorization", token.as_str())).collect();
            let answer = app.send(Method::GET, path, &headers, "").await;
            let (expected, body) = (without_timing(&request["answer"]), without_timing(&answer.body));
            if answer.status != StatusCode::OK || body != expected {
                differences.push(format!("{path}: {} {body}\n  was {expected}", answer.status));
            }
        }
        differences
    }
}

fn without_timing(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| !TIMING.contains(&name.as_str()));
            kept.map(|(name, value)| (name.clone(), without_timing(value))).collect()
        }
        Value::Array(values) => values.iter().map(without_timing).collect(),
        other => other.clone(),
    }
}

fn format_of(state: &Path) -> String {
    std::fs::read_to_string(state.join("state-format")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn continues_from_state_of_format_3_and_does_its_pending_work_exactly_once() {
    let recording = Recording::open("state-3");
    assert_eq!(format_of(recording.state.path()), "3\n");
    let app = recording.start().await;
    app.settled().await;
    let differences = recording.differences(&app).await;
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    app.finish_with_failures(&["CounterFailuresQueue", "RevenueFailuresQueue"]).await;
    assert_eq!(format_of(recording.state.path()), "4\n");
}
