//! The `mark-attendance` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(mark_attendance::FUNCTION)
}
