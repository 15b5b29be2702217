//! The `complete-purchase` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(complete_purchase::FUNCTION)
}
