//! The `put-course` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(put_course::FUNCTION)
}
