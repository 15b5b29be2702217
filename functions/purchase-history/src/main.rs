//! The `purchase-history` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(purchase_history::FUNCTION)
}
