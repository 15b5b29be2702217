//! The `seller-dashboard` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(seller_dashboard::FUNCTION)
}
