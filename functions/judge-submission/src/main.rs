//! The `judge-submission` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(judge_submission::FUNCTION)
}
