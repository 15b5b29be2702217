//! The `create-score` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(create_score::FUNCTION)
}
