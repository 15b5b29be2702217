//! The `get-package` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(get_package::FUNCTION)
}
