//! The `attempt-quiz` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(attempt_quiz::FUNCTION)
}
