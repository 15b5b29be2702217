//! The `list-notifications` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(list_notifications::FUNCTION)
}
