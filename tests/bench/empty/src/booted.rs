//! A function of `shared` that does nothing.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(empty::FUNCTION)
}
