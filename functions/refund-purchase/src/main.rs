//! The `refund-purchase` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(refund_purchase::FUNCTION)
}
