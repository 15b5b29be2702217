//! The `delete-product` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(delete_product::FUNCTION)
}
