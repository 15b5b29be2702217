//! The `rollup-worker` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(rollup_worker::FUNCTION)
}
