//! The `list-attendance` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(list_attendance::FUNCTION)
}
