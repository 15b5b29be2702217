//! The `rate-quiz` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(rate_quiz::FUNCTION)
}
