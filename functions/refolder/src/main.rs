//! The `refolder` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(refolder::FUNCTION)
}
