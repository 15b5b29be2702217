//! The `audit` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(audit::FUNCTION)
}
