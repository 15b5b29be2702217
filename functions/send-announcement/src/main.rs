//! The `send-announcement` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(send_announcement::FUNCTION)
}
