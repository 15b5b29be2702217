//! The `list-courses` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(list_courses::FUNCTION)
}
