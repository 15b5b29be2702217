//! The `auditor` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(auditor::FUNCTION)
}
