//! The `leaderboard-updater` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(leaderboard_updater::FUNCTION)
}
