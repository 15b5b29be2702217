//! A function of `shared` that does nothing.

fn main() -> std::process::ExitCode {
    shared::boot::run(empty::FUNCTION)
}
