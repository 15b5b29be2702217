//! The `get-purchase` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(get_purchase::FUNCTION)
}
