//! The `get-dashboard` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(get_dashboard::FUNCTION)
}
