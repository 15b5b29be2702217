//! The `record-product-view` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(record_product_view::FUNCTION)
}
