//! The `put-discount` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(put_discount::FUNCTION)
}
