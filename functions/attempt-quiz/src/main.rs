//! The `attempt-quiz` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(attempt_quiz::FUNCTION)
}
