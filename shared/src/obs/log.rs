//! Structured logs: one JSON object a line.

use tracing_subscriber::EnvFilter;

/// Starts logging on standard output; `RUST_LOG` chooses what is logged, `info` if unset.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(false)
        .with_env_filter(filter)
        .init();
}
