//! The `announce` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(announce::FUNCTION)
}
