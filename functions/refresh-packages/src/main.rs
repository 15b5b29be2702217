//! The `refresh-packages` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(refresh_packages::FUNCTION)
}
