//! Logs and metrics: one line of log an invocation, and one of metrics where there is something to tell.

pub mod log;
pub mod metrics;

use std::sync::Arc;

use tokio::time::Instant;

use domain::time::Time;
use metrics::{Measure, Metrics};
use system::clock::Clock;

/// Reports how the invocations of one function went.
pub struct Reporter {
    function: &'static str,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl Reporter {
    /// Reports for this function.
    #[must_use]
    pub fn new(function: &'static str, clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        Self { function, clock, metrics }
    }

    /// The function reported for.
    #[must_use]
    pub fn function(&self) -> &'static str {
        self.function
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::from(self.clock.now())
    }

    /// Logs how an invocation that began at `began` has ended, unless well, and emits what it measured: `outcome` is one of few words,
    /// `detail` says more and holds nothing personal.
    pub fn ended(&self, request_id: &str, began: Instant, (outcome, detail): (&str, &str), measures: &[Measure]) {
        let duration_ms = began.elapsed().as_secs_f64() * 1000.0;
        let function = self.function;
        // Lambda counts and times every invocation anyway, and a line of each would cost more than the invocation.
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    function,
                    requestId = request_id,
                    outcome,
                    detail,
                    durationMs = duration_ms,
                    "{function} {outcome}: {detail}"
                )
            };
        }
        if outcome == "ok" {
            log!(debug)
        } else {
            log!(info)
        }
        self.metrics.emit(measures);
    }
}
