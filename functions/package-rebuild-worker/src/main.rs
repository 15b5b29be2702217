//! The `package-rebuild-worker` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(package_rebuild_worker::FUNCTION)
}
