//! The `record-attendance` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(record_attendance::FUNCTION)
}
