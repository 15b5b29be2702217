//! `cargo dev`.

fn main() -> std::process::ExitCode {
    local::cli::main()
}
