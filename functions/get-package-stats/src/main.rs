//! The `get-package-stats` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(get_package_stats::FUNCTION)
}
