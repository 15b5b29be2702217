//! The `get-analytics` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(get_analytics::FUNCTION)
}
