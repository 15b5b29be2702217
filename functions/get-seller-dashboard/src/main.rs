//! The `get-seller-dashboard` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(get_seller_dashboard::FUNCTION)
}
