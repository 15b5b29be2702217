//! The `create-score` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(create_score::FUNCTION)
}
