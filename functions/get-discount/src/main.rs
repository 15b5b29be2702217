//! The `get-discount` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(get_discount::FUNCTION)
}
