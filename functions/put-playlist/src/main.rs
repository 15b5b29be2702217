//! The `put-playlist` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(put_playlist::FUNCTION)
}
