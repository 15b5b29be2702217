//! The `list-scores` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(list_scores::FUNCTION)
}
