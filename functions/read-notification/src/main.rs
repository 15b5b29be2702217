//! The `read-notification` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(read_notification::FUNCTION)
}
