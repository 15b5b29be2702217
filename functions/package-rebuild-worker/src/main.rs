//! The `package-rebuild-worker` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(package_rebuild_worker::FUNCTION)
}
