//! The `create-purchase` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(create_purchase::FUNCTION)
}
