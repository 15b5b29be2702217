//! `cargo tidy` fails if a generated file is out of date; `cargo tidy --fix` writes it.
#![allow(clippy::print_stderr, reason = "a command-line tool speaks by printing")]

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_fix = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => false,
        ["--fix"] => true,
        _ => {
            eprintln!("usage: cargo tidy [--fix]");
            return ExitCode::from(2);
        }
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let outdated = match tidy::outdated(&root) {
        Ok(outdated) => outdated,
        Err(error) => {
            eprintln!("tidy: {error}");
            return ExitCode::FAILURE;
        }
    };
    for file in &outdated {
        if is_fix && let Err(error) = std::fs::write(root.join(&file.path), &file.text) {
            eprintln!("tidy: {}: {error}", file.path);
            return ExitCode::FAILURE;
        }
        eprintln!("{} {}", if is_fix { "wrote" } else { "out of date:" }, file.path);
    }
    if outdated.is_empty() || is_fix {
        return ExitCode::SUCCESS;
    }
    eprintln!("Run `cargo tidy --fix`.");
    ExitCode::FAILURE
}
