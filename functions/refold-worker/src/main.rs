//! The `refold-worker` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(refold_worker::FUNCTION)
}
