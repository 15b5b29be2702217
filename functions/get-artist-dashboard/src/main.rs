//! The `get-artist-dashboard` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(get_artist_dashboard::FUNCTION)
}
