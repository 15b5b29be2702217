//! The `create-product` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(create_product::FUNCTION)
}
