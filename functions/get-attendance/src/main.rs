//! The `get-attendance` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(get_attendance::FUNCTION)
}
