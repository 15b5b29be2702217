//! The `put-playlist` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(put_playlist::FUNCTION)
}
