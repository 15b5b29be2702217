//! The `refold` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(refold::FUNCTION)
}
