//! The `update-package` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(update_package::FUNCTION)
}
