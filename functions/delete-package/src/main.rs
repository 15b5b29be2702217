//! The `delete-package` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(delete_package::FUNCTION)
}
