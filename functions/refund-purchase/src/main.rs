//! The `refund-purchase` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(refund_purchase::FUNCTION)
}
