//! The `change-score` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(change_score::FUNCTION)
}
