//! The `get-courses` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(get_courses::FUNCTION)
}
