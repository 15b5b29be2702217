//! The `get-package-stats` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(get_package_stats::FUNCTION)
}
