//! The `package-refresher` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(package_refresher::FUNCTION)
}
