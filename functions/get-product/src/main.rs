//! The `get-product` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(get_product::FUNCTION)
}
