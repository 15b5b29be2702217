//! The `get-analytics` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(get_analytics::FUNCTION)
}
