//! The `send-notification` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(send_notification::FUNCTION)
}
