//! The `delete-product` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(delete_product::FUNCTION)
}
