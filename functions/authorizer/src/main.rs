//! The `authorizer` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(authorizer::FUNCTION)
}
