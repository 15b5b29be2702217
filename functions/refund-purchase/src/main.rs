//! The `refund-purchase` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(refund_purchase::FUNCTION)
}
