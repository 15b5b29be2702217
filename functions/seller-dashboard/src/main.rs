//! The `seller-dashboard` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(seller_dashboard::FUNCTION)
}
