//! The `get-package` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(get_package::FUNCTION)
}
