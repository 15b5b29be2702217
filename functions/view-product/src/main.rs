//! The `view-product` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(view_product::FUNCTION)
}
