//! The `student-dashboard` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(student_dashboard::FUNCTION)
}
