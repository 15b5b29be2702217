//! The `list-notifications` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(list_notifications::FUNCTION)
}
