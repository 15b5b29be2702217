//! The `audit-worker` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(audit_worker::FUNCTION)
}
