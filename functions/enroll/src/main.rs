//! The `enroll` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(enroll::FUNCTION)
}
