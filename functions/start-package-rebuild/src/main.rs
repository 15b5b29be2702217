//! The `start-package-rebuild` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(start_package_rebuild::FUNCTION)
}
