//! The `update-score` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(update_score::FUNCTION)
}
