//! The `mark-notification-read` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(mark_notification_read::FUNCTION)
}
