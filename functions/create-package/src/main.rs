//! The `create-package` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(create_package::FUNCTION)
}
