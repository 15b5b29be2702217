//! The `mark-attendance` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(mark_attendance::FUNCTION)
}
