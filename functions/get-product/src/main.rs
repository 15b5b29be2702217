//! The `get-product` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(get_product::FUNCTION)
}
