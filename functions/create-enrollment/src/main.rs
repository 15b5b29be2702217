//! The `create-enrollment` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(create_enrollment::FUNCTION)
}
