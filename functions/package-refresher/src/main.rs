//! The `package-refresher` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(package_refresher::FUNCTION)
}
