//! The `get-product` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(get_product::FUNCTION)
}
