//! The `student-dashboard` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(student_dashboard::FUNCTION)
}
