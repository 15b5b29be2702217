//! The `admin-dashboard` function on Lambda.

fn main() -> std::process::ExitCode {
    shared::boot::run(admin_dashboard::FUNCTION)
}
