//! The `get-analytics` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(get_analytics::FUNCTION)
}
