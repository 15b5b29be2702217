//! The `rollup-worker` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(rollup_worker::FUNCTION)
}
