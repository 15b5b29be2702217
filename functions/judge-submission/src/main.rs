//! The `judge-submission` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(judge_submission::FUNCTION)
}
