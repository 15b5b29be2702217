//! `cargo dev`: the local cloud from the command line.

mod arguments;
mod channels;
mod logs;
mod run_function;
mod show;
mod table;
mod token;
mod watch;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::cloud::{Functions, LocalCloud, Options, Source};
use crate::loopback::Hosts;
use arguments::{Arguments, Command};
pub use show::ready;

#[cfg(test)]
pub(crate) use logs::Readable;

/// Runs the command line to its end.
#[must_use]
pub fn main() -> ExitCode {
    let command = match Command::parse(lexopt::Parser::from_env()) {
        Ok(command) => command,
        Err(error) => return failed(&format!("{error:#}; see --help"), 2),
    };
    match run(command) {
        Ok(code) => code,
        Err(error) => failed(&format!("{error:#}"), 1),
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Help => print(arguments::HELP)?,
        Command::RunFunction(start) => return start.run(),
        Command::Token(wanted) => print(&(wanted.token(&state_folder(wanted.state.as_deref())?)? + "\n"))?,
        Command::Tables(listing) => {
            let folder = state_folder(listing.state.as_deref())?;
            // Collected first: the reader of a pipe may close it early.
            let mut out = Vec::new();
            runtime()?.block_on(Box::pin(listing.which.print(&folder, &mut out)))?;
            print(&String::from_utf8(out)?)?;
        }
        Command::Start(arguments) => {
            logs::start(arguments.log);
            runtime()?.block_on(Box::pin(start(*arguments)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")
}

/// The folder in which a local cloud stores its state or announces itself.
fn state_folder(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    match given {
        Some(folder) => Ok(folder.to_owned()),
        None => Ok(folder_of(&template_above(&std::env::current_dir()?)?).join(STATE)),
    }
}

fn folder_of(template: &Path) -> &Path {
    template.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The folder of the state, beside the template.
const STATE: &str = ".local";

async fn start(arguments: Arguments) -> anyhow::Result<()> {
    let template = match arguments.template {
        Some(template) => template,
        None => template_above(&std::env::current_dir()?)?,
    };
    let root = folder_of(&template).to_owned();
    let folder = arguments.state.unwrap_or_else(|| root.join(STATE));
    let mut options = Options::new(Source::File(template), crate::functions::all());
    options.local_origins = !arguments.parameters.contains_key("AllowedOrigins");
    options.hosts = Some(Hosts::with(arguments.allowed_hosts));
    options.parameters = arguments.parameters;
    options.port = arguments.port;
    options.fresh = arguments.fresh;
    options.state = (!arguments.in_memory).then(|| folder.clone());
    options.announced = Some(folder.clone());
    let watched = match arguments.cargo_lambda {
        Some(port) => Some(watch::address(port).await?),
        None => None,
    };
    if let Some(address) = watched {
        options.running = Functions::CargoLambda(format!("http://{address}"));
    }

    #[allow(clippy::disallowed_methods, reason = "the command line reads the environment")]
    channels::fill_in(&mut options.parameters, &options.secrets, |name| std::env::var(name).ok());
    options.channels = true;
    let mut interrupts = interrupts()?;
    let cloud = LocalCloud::start(options).await?;
    let described = cloud.template().described.list();
    if !described.is_empty() {
        tracing::info!("described, not simulated here: {}", described.join(", "));
    }
    let watch = match watched {
        Some(address) => match watch::start(&cloud, &root, &folder, address).await {
            Ok(watch) => Some(watch),
            Err(error) => {
                cloud.stop().await;
                return Err(error);
            }
        },
        None => None,
    };
    let ready = || ready(&cloud) + &watch.as_ref().map(watch::Watch::described).unwrap_or_default();
    print(&if arguments.json { cloud.summary().to_json()? + "\n" } else { ready() })?;

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

/// Receives every Ctrl-C and SIGTERM.
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

/// The template of the workspace that contains a folder.
fn template_above(folder: &Path) -> anyhow::Result<PathBuf> {
    let template = folder.ancestors().map(|folder| folder.join("template.yaml")).find(|template| template.is_file());
    template.context("there is no template.yaml in this folder or above; name one with --template")
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn failed(problem: &str, code: u8) -> ExitCode {
    // Without standard error there is no place to report to.
    drop(writeln!(std::io::stderr(), "error: {problem}"));
    ExitCode::from(code)
}
