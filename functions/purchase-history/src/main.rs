//! The `purchase-history` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(purchase_history::FUNCTION)
}
