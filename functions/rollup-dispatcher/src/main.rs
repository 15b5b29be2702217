//! The `rollup-dispatcher` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(rollup_dispatcher::FUNCTION)
}
