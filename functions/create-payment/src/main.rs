//! The `create-payment` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(create_payment::FUNCTION)
}
