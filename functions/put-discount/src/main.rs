//! The `put-discount` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(put_discount::FUNCTION)
}
