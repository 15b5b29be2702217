//! The `update-score` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(update_score::FUNCTION)
}
