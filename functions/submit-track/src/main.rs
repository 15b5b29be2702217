//! The `submit-track` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(submit_track::FUNCTION)
}
