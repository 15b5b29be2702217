//! The `get-discount` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(get_discount::FUNCTION)
}
