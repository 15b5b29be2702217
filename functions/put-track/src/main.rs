//! The `put-track` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(put_track::FUNCTION)
}
