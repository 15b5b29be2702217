//! The `get-trending` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(get_trending::FUNCTION)
}
