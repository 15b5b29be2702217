//! The `refresh-packages` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(refresh_packages::FUNCTION)
}
