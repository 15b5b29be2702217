//! The `get-seller-dashboard` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(get_seller_dashboard::FUNCTION)
}
