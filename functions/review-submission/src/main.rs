//! The `review-submission` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(review_submission::FUNCTION)
}
