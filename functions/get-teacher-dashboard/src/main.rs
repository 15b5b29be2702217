//! The `get-teacher-dashboard` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(get_teacher_dashboard::FUNCTION)
}
