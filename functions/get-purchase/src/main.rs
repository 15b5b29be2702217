//! The `get-purchase` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(get_purchase::FUNCTION)
}
