//! The `sales-updater` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(sales_updater::FUNCTION)
}
