//! The `get-attendance` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(get_attendance::FUNCTION)
}
