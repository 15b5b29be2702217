//! The `get-track` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(get_track::FUNCTION)
}
