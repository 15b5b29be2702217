//! The `put-playlist` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(put_playlist::FUNCTION)
}
