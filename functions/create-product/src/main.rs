//! The `create-product` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(create_product::FUNCTION)
}
