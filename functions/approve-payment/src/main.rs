//! The `approve-payment` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(approve_payment::FUNCTION)
}
