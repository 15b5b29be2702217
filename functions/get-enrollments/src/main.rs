//! The `get-enrollments` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(get_enrollments::FUNCTION)
}
