//! The `get-leaderboard` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(get_leaderboard::FUNCTION)
}
