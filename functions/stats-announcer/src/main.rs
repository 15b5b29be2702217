//! The `stats-announcer` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(stats_announcer::FUNCTION)
}
