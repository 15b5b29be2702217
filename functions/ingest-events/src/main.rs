//! The `ingest-events` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(ingest_events::FUNCTION)
}
