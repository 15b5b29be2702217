//! The `get-admin-dashboard` function on Lambda.

fn main() -> std::process::ExitCode {
    runtime::lambda::run(get_admin_dashboard::FUNCTION)
}
