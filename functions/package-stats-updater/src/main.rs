//! The `package-stats-updater` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(package_stats_updater::FUNCTION)
}
