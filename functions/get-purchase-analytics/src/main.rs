//! The `get-purchase-analytics` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(get_purchase_analytics::FUNCTION)
}
