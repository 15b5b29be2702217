//! The `like-quiz` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(like_quiz::FUNCTION)
}
