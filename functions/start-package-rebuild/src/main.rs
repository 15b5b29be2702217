//! The `start-package-rebuild` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(start_package_rebuild::FUNCTION)
}
