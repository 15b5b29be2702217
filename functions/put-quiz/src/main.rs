//! The `put-quiz` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(put_quiz::FUNCTION)
}
