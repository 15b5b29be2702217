//! What surrounds a function under test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::context::FunctionContext;
use crate::function::Invocation;
use crate::obs::metrics::Sink;
use system::environment::Environment;

/// Keeps the lines of metrics.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Sink for Lines {
    fn line(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl Lines {
    /// The context of a function that calls nothing and emits its metrics into these lines.
    pub(crate) fn context(&self) -> FunctionContext {
        FunctionContext {
            environment: std::iter::empty::<(String, String)>().collect::<Environment>(),
            aws: aws_config::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build(),
            clock: system::clock::system(),
            ids: system::ids::random(),
            metrics: Arc::new(self.clone()),
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }

    /// The one line there is.
    pub(crate) fn only(&self) -> Value {
        let lines = self.0.lock().unwrap();
        assert_eq!(lines.len(), 1, "{lines:?}");
        serde_json::from_str(&lines[0]).unwrap()
    }
}

/// An invocation with ten seconds left.
pub(crate) fn invocation() -> Invocation {
    Invocation { request_id: "r".to_owned(), deadline: Instant::now() + Duration::from_secs(10) }
}
