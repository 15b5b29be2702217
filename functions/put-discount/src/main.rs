//! The `put-discount` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(put_discount::FUNCTION)
}
