//! The `record-quiz-attempt` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(record_quiz_attempt::FUNCTION)
}
