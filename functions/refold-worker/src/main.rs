//! The `refold-worker` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(refold_worker::FUNCTION)
}
