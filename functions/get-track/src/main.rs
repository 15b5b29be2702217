//! The `get-track` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(get_track::FUNCTION)
}
