//! The `record-attendance` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(record_attendance::FUNCTION)
}
