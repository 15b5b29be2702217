//! The `get-package` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(get_package::FUNCTION)
}
