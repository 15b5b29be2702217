//! The `check-ownership` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(check_ownership::FUNCTION)
}
