//! The `update-package` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(update_package::FUNCTION)
}
