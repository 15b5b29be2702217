//! The `update-enrollment` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(update_enrollment::FUNCTION)
}
