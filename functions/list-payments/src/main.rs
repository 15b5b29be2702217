//! The `list-payments` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(list_payments::FUNCTION)
}
