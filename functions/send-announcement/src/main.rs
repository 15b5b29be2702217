//! The `send-announcement` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(send_announcement::FUNCTION)
}
