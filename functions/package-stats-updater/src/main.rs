//! The `package-stats-updater` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(package_stats_updater::FUNCTION)
}
