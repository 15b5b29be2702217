//! The `get-trending` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(get_trending::FUNCTION)
}
