//! The `start-refold` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(start_refold::FUNCTION)
}
