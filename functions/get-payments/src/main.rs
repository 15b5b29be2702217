//! The `get-payments` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(get_payments::FUNCTION)
}
