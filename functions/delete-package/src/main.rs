//! The `delete-package` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(delete_package::FUNCTION)
}
