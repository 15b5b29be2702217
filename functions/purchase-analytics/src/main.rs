//! The `purchase-analytics` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(purchase_analytics::FUNCTION)
}
