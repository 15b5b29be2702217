//! The `put-track` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(put_track::FUNCTION)
}
