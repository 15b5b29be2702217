//! The `get-enrollments` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(get_enrollments::FUNCTION)
}
