//! The `refold` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(refold::FUNCTION)
}
