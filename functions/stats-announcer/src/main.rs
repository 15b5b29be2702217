//! The `stats-announcer` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(stats_announcer::FUNCTION)
}
