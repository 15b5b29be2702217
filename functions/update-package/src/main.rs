//! The `update-package` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(update_package::FUNCTION)
}
