//! The `get-courses` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(get_courses::FUNCTION)
}
