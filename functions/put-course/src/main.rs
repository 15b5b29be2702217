//! The `put-course` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(put_course::FUNCTION)
}
