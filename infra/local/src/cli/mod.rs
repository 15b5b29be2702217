//! `cargo dev`: the local cloud from the command line.

mod arguments;
mod channels;
mod logs;
mod show;
mod watch;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::cloud::{Functions, LocalCloud, Options, Source};
use arguments::{Arguments, Command};
pub use show::ready;

/// Runs the command line to its end.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::parse(lexopt::Parser::from_env()) {
        Ok(Command::Start(arguments)) => arguments,
        Ok(Command::Help) => return said(arguments::HELP).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        Err(error) => return failed(&format!("{error:#}; see --help"), 2),
    };
    logs::start();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no runtime")
        .and_then(|runtime| runtime.block_on(Box::pin(run(*arguments))));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&format!("{error:#}"), 1),
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let template = match arguments.template {
        Some(template) => template,
        None => template_above(&std::env::current_dir()?)?,
    };
    let root = template.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let state = (!arguments.in_memory).then(|| arguments.state.unwrap_or_else(|| root.join(".local")));
    let mut options = Options::new(Source::File(template), crate::functions::all());
    options.parameters = arguments.parameters;
    options.port = arguments.port;
    options.fresh = arguments.fresh;
    options.state.clone_from(&state);
    if let Some(port) = arguments.cargo_lambda {
        options.running = Functions::CargoLambda(format!("http://127.0.0.1:{port}"));
    }

    #[allow(clippy::disallowed_methods, reason = "the command line reads the environment")]
    channels::fill_in(&mut options.parameters, |name| std::env::var(name).ok());
    options.channels = true;
    let mut interrupts = interrupts()?;
    let cloud = LocalCloud::start(options).await?;
    let described = cloud.template().described.list();
    if !described.is_empty() {
        tracing::info!("described, not simulated here: {}", described.join(", "));
    }
    let watch = match arguments.cargo_lambda {
        Some(port) => Some(watch::start(&cloud, &root, state.as_deref(), port).await?),
        None => None,
    };
    said(&if arguments.json { cloud.summary().to_json()? + "\n" } else { ready(&cloud) })?;

    interrupts.recv().await;
    tracing::info!("stopping");
    if let Some(watch) = watch {
        watch.stop().await;
    }
    tokio::select! {
        () = cloud.stop() => Ok(()),
        _ = interrupts.recv() => anyhow::bail!("interrupted while stopping"),
    }
}

/// Tells of every Ctrl-C and SIGTERM.
fn interrupts() -> anyhow::Result<tokio::sync::mpsc::Receiver<()>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let ctrl_c = sender.clone();
    tokio::spawn(async move { while tokio::signal::ctrl_c().await.is_ok() && ctrl_c.send(()).await.is_ok() {} });
    #[cfg(unix)]
    {
        let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::spawn(async move { while terminated.recv().await.is_some() && sender.send(()).await.is_ok() {} });
    }
    Ok(receiver)
}

/// The template of the workspace that a folder lies in.
fn template_above(folder: &Path) -> anyhow::Result<PathBuf> {
    let template = folder.ancestors().map(|folder| folder.join("template.yaml")).find(|template| template.is_file());
    template.context("there is no template.yaml here or above; name one with --template")
}

fn said(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn failed(problem: &str, code: u8) -> ExitCode {
    // With standard error gone there is nobody left to tell.
    drop(writeln!(std::io::stderr(), "error: {problem}"));
    ExitCode::from(code)
}
