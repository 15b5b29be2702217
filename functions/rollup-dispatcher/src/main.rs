//! The `rollup-dispatcher` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(rollup_dispatcher::FUNCTION)
}
