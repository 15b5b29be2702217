//! The `approve-payment` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(approve_payment::FUNCTION)
}
