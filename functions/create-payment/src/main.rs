//! The `create-payment` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(create_payment::FUNCTION)
}
