//! The `list-enrollments` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(list_enrollments::FUNCTION)
}
