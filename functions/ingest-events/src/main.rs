//! The `ingest-events` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(ingest_events::FUNCTION)
}
