//! The `delete-product` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(delete_product::FUNCTION)
}
