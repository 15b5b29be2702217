//! The `mark-notification-read` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(mark_notification_read::FUNCTION)
}
