//! The `approve-payment` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(approve_payment::FUNCTION)
}
