//! The `put-product` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(put_product::FUNCTION)
}
