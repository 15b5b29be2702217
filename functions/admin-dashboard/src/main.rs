//! The `admin-dashboard` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::boot::run(admin_dashboard::FUNCTION)
}
