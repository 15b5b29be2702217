//! The `list-enrollments` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(list_enrollments::FUNCTION)
}
