//! The `get-dashboard` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(get_dashboard::FUNCTION)
}
