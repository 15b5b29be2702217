//! The `list-purchases` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(list_purchases::FUNCTION)
}
