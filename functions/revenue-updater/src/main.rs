//! The `revenue-updater` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(revenue_updater::FUNCTION)
}
