//! The `put-track` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(put_track::FUNCTION)
}
