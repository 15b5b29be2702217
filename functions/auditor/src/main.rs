//! The `auditor` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(auditor::FUNCTION)
}
