//! The `review-submission` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(review_submission::FUNCTION)
}
