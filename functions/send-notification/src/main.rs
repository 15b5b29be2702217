//! The `send-notification` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(send_notification::FUNCTION)
}
