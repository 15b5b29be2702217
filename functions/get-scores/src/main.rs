//! The `get-scores` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(get_scores::FUNCTION)
}
