//! The `put-product` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(put_product::FUNCTION)
}
