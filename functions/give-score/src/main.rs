//! The `give-score` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(give_score::FUNCTION)
}
