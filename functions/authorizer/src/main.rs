//! The `authorizer` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(authorizer::FUNCTION)
}
