//! The `list-purchases` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(list_purchases::FUNCTION)
}
