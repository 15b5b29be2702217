//! The `purchase-analytics` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(purchase_analytics::FUNCTION)
}
