//! The `get-leaderboard` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(get_leaderboard::FUNCTION)
}
