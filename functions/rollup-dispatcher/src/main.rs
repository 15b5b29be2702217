//! The `rollup-dispatcher` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(rollup_dispatcher::FUNCTION)
}
