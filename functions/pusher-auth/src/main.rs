//! The `pusher-auth` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(pusher_auth::FUNCTION)
}
