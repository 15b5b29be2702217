//! The `update-enrollment` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(update_enrollment::FUNCTION)
}
