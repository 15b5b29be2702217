//! The `get-discount` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(get_discount::FUNCTION)
}
