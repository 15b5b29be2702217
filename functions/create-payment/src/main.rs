//! The `create-payment` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(create_payment::FUNCTION)
}
