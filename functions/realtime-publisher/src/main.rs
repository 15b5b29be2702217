//! The `realtime-publisher` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(realtime_publisher::FUNCTION)
}
