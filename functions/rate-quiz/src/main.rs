//! The `rate-quiz` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(rate_quiz::FUNCTION)
}
