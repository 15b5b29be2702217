//! The `realtime-publisher` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(realtime_publisher::FUNCTION)
}
