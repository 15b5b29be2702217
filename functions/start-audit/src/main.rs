//! The `start-audit` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(start_audit::FUNCTION)
}
