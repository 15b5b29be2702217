//! The `put-quiz` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(put_quiz::FUNCTION)
}
