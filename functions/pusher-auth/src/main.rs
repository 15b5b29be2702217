//! The `pusher-auth` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(pusher_auth::FUNCTION)
}
