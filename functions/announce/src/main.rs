//! The `announce` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(announce::FUNCTION)
}
