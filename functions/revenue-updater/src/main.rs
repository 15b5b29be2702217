//! The `revenue-updater` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(revenue_updater::FUNCTION)
}
