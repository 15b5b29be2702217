//! The `put-product` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(put_product::FUNCTION)
}
