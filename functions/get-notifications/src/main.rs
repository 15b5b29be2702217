//! The `get-notifications` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(get_notifications::FUNCTION)
}
