//! The `create-package` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(create_package::FUNCTION)
}
