//! The `rate-quiz` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(rate_quiz::FUNCTION)
}
