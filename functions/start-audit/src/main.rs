//! The `start-audit` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(start_audit::FUNCTION)
}
