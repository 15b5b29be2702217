//! The `leaderboard-updater` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(leaderboard_updater::FUNCTION)
}
