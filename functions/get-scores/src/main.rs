//! The `get-scores` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(get_scores::FUNCTION)
}
