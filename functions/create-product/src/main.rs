//! The `create-product` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(create_product::FUNCTION)
}
