//! The `package-stats-updater` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(package_stats_updater::FUNCTION)
}
