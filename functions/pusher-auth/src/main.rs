//! The `pusher-auth` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(pusher_auth::FUNCTION)
}
