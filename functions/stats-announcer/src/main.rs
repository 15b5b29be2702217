//! The `stats-announcer` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(stats_announcer::FUNCTION)
}
