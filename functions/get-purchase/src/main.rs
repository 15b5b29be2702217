//! The `get-purchase` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(get_purchase::FUNCTION)
}
