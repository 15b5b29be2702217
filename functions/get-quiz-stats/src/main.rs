//! The `get-quiz-stats` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(get_quiz_stats::FUNCTION)
}
