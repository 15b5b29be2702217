//! The `get-payments` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(get_payments::FUNCTION)
}
