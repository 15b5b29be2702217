//! The `get-leaderboard` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(get_leaderboard::FUNCTION)
}
