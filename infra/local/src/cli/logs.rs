//! Logs on standard error: standard output is for what scripts read.

use tracing_subscriber::EnvFilter;

/// What is logged where `RUST_LOG` says nothing: outcomes of our own, warnings of everything else.
const DEFAULT: &str = "warn,local=info,shared=info,authorizer=info,counter_updater=info,get_track=info,\
                       ingest_events=info,judge_submission=info,put_playlist=info,put_track=info,submit_track=info";

/// Starts logging.
pub(super) fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).with_env_filter(filter).init();
}
