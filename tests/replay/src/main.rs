//! Loads a file through the HTTP API and checks what the API then answers; see `--help`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks by printing")]

mod invoices;
mod log;
mod options;
mod show;

use std::process::ExitCode;

use anyhow::Context as _;
use bytes::Bytes;
use http::Method;
use replay::api::{Api, Patience};

use options::{Kind, Options};

fn main() -> ExitCode {
    let options = match options::of_process() {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("replay: {error}\nSee --help.");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("replay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the task. Returns whether it succeeded.
fn run(options: &Options) -> anyhow::Result<bool> {
    let unreadable = || format!("cannot read {}", options.file.display());
    let bytes = std::fs::read(&options.file).with_context(unreadable)?;
    match options.kind {
        Kind::Log => log::run(options, str::from_utf8(&bytes).with_context(unreadable)?),
        // Spreadsheets write descriptions, which are not read, in encodings of their own.
        Kind::Invoices => invoices::run(options, &String::from_utf8_lossy(&bytes)),
    }
}

/// Does something with the API.
fn with_api(options: &Options, work: impl AsyncFnOnce(&Api) -> anyhow::Result<bool>) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let api = Api::new(&options.api_url, Some(&options.credential), Patience::default())?;
        // An unreachable API is reported immediately. Later failures are retried.
        api.send(Method::GET, "/api/tracks/-", Bytes::new()).await.with_context(|| options.api_url.clone())?;
        work(&api).await
    })
}
