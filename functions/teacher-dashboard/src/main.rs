//! The `teacher-dashboard` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(teacher_dashboard::FUNCTION)
}
