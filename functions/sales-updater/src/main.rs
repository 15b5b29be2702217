//! The `sales-updater` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(sales_updater::FUNCTION)
}
