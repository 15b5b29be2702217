//! The `get-track` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(get_track::FUNCTION)
}
