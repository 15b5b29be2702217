//! The `get-notifications` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(get_notifications::FUNCTION)
}
