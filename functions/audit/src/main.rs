//! The `audit` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(audit::FUNCTION)
}
