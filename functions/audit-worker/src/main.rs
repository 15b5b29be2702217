//! The `audit-worker` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(audit_worker::FUNCTION)
}
