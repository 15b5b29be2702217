//! The `send-notification` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(send_notification::FUNCTION)
}
