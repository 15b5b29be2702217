//! A function of `shared` that does nothing.

fn main() -> std::process::ExitCode {
    runtime::boot::run(empty::FUNCTION)
}
