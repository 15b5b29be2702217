//! The `complete-purchase` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(complete_purchase::FUNCTION)
}
