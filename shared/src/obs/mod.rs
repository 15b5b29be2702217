//! Logs and metrics: one line of each an invocation.

pub mod log;
pub mod metrics;

use std::sync::Arc;

use tokio::time::Instant;

use crate::boot::Boot;
use crate::clock::Clock;
use crate::domain::time::Time;
use crate::function::Invocation;
use metrics::{Measure, Sink, Unit};

/// Tells how the invocations of one function went.
pub struct Reporter {
    function: &'static str,
    clock: Arc<dyn Clock>,
    metrics: Arc<dyn Sink>,
}

impl Reporter {
    /// Reports for the function of this name.
    #[must_use]
    pub fn new(function: &'static str, boot: &Boot) -> Self {
        Self { function, clock: Arc::clone(&boot.clock), metrics: Arc::clone(&boot.metrics) }
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

    /// Tells how an invocation that began at `began` has ended: `outcome` is one of few words and becomes a
    /// dimension, `detail` says more and holds nothing personal.
    pub fn ended(
        &self,
        invocation: &Invocation,
        began: Instant,
        (outcome, detail): (&str, &str),
        mut measures: Vec<Measure>,
    ) {
        let duration_ms = began.elapsed().as_secs_f64() * 1000.0;
        let function = self.function;
        tracing::info!(
            function,
            requestId = invocation.request_id,
            outcome,
            detail,
            durationMs = duration_ms,
            "{function} {outcome}: {detail}"
        );
        measures.push(Measure { name: "duration", unit: Unit::Milliseconds, value: duration_ms });
        self.metrics.line(metrics::line(self.now(), function, outcome, &measures));
    }
}
