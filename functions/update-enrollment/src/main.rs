//! The `update-enrollment` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(update_enrollment::FUNCTION)
}
