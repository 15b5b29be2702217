//! The `refolder` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(refolder::FUNCTION)
}
