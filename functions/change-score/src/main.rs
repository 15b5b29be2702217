//! The `change-score` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(change_score::FUNCTION)
}
