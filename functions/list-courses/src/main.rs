//! The `list-courses` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(list_courses::FUNCTION)
}
