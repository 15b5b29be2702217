//! The `rollup-worker` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(rollup_worker::FUNCTION)
}
