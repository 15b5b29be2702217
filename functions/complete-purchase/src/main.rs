//! The `complete-purchase` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(complete_purchase::FUNCTION)
}
