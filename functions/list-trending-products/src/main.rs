//! The `list-trending-products` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(list_trending_products::FUNCTION)
}
