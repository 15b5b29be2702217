//! The `give-score` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(give_score::FUNCTION)
}
