//! The `put-quiz` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(put_quiz::FUNCTION)
}
