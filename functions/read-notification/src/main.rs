//! The `read-notification` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(read_notification::FUNCTION)
}
