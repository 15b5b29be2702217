//! The `put-course` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(put_course::FUNCTION)
}
