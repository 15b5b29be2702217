//! The `list-payments` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(list_payments::FUNCTION)
}
