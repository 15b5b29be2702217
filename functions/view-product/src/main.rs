//! The `view-product` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(view_product::FUNCTION)
}
