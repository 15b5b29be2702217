//! The `submit-track` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(submit_track::FUNCTION)
}
