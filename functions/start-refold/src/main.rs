//! The `start-refold` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(start_refold::FUNCTION)
}
