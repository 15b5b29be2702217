//! The `realtime-publisher` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(realtime_publisher::FUNCTION)
}
