//! The `delete-package` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(delete_package::FUNCTION)
}
