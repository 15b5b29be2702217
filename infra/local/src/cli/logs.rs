//! Logs on standard error: standard output is for what scripts read.

use tracing_subscriber::EnvFilter;

/// What is logged where `RUST_LOG` says nothing: outcomes of our own, warnings of everything else.
fn filter() -> EnvFilter {
    let functions = crate::functions::all().into_iter().map(|function| function.name.replace('-', "_"));
    let ours = ["local", "shared"].map(str::to_owned).into_iter().chain(functions);
    EnvFilter::new(ours.fold("warn".to_owned(), |all, name| format!("{all},{name}=info")))
}

/// Starts logging.
pub(super) fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| filter());
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).with_env_filter(filter).init();
}
