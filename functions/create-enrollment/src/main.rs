//! The `create-enrollment` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(create_enrollment::FUNCTION)
}
