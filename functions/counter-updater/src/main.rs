//! The `counter-updater` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(counter_updater::FUNCTION)
}
