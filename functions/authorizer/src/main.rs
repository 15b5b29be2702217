//! The `authorizer` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(authorizer::FUNCTION)
}
