//! The `create-purchase` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(create_purchase::FUNCTION)
}
