//! The `like-quiz` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(like_quiz::FUNCTION)
}
