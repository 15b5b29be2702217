//! The `counter-updater` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(counter_updater::FUNCTION)
}
