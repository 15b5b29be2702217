//! The `enroll` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(enroll::FUNCTION)
}
