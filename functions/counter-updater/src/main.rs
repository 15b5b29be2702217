//! The `counter-updater` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(counter_updater::FUNCTION)
}
