//! The `create-purchase` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(create_purchase::FUNCTION)
}
