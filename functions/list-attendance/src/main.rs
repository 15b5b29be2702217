//! The `list-attendance` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(list_attendance::FUNCTION)
}
