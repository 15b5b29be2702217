//! The `list-scores` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(list_scores::FUNCTION)
}
