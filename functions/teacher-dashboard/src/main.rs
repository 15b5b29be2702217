//! The `teacher-dashboard` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(teacher_dashboard::FUNCTION)
}
