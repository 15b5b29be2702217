//! Structured logs: one JSON object a line.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Starts logging on standard output; `RUST_LOG` chooses what is logged, `info` if unset.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    start_to(std::io::stdout, filter);
}

/// Starts logging to a writer, the same lines that Lambda gets.
pub fn start_to(writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static, filter: EnvFilter) {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(false)
        .with_env_filter(filter)
        .with_writer(writer)
        .init();
}
