//! The `check-ownership` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(check_ownership::FUNCTION)
}
