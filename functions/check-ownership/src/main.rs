//! The `check-ownership` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(check_ownership::FUNCTION)
}
