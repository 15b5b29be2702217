//! The `create-package` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(create_package::FUNCTION)
}
