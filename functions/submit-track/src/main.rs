//! The `submit-track` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(submit_track::FUNCTION)
}
