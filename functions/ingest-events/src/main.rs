//! The `ingest-events` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(ingest_events::FUNCTION)
}
