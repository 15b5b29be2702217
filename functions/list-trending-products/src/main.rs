//! The `list-trending-products` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(list_trending_products::FUNCTION)
}
