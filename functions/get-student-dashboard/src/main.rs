//! The `get-student-dashboard` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(get_student_dashboard::FUNCTION)
}
