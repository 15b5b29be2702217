//! The `leaderboard-updater` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(leaderboard_updater::FUNCTION)
}
