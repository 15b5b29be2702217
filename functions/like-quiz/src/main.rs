//! The `like-quiz` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(like_quiz::FUNCTION)
}
