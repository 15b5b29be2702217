//! `cargo lambda watch`, as a child of the local cloud.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::cloud::LocalCloud;
use crate::runtime::union_of_environments;
use crate::wire::REGION;

/// How long it may take to answer, and to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// `cargo lambda watch` under way, or what to type to get it under way.
pub(super) struct Watch {
    child: Option<Child>,
    environment: PathBuf,
}

/// Starts `cargo lambda watch` if it is installed; says how to start it otherwise.
pub(super) async fn start(cloud: &LocalCloud, root: &Path, state: Option<&Path>, port: u16) -> anyhow::Result<Watch> {
    let folder = state.map_or_else(std::env::temp_dir, Path::to_owned);
    let environment = folder.join(match state {
        Some(_) => "cargo-lambda.env".to_owned(),
        None => format!("cargo-lambda-{}.env", std::process::id()),
    });
    std::fs::write(&environment, variables(cloud)?).with_context(|| format!("{}", environment.display()))?;
    let installed = Command::new("cargo")
        .args(["lambda", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await
        .is_ok_and(|status| status.success());
    let port = port.to_string();
    let file = environment.display().to_string();
    let arguments = ["lambda", "watch", "--invoke-address", "127.0.0.1", "--invoke-port", &port, "--env-file", &file];
    let child = if installed {
        let mut command = Command::new("cargo");
        command.args(arguments).current_dir(root).stdin(Stdio::null()).stdout(std::io::stderr()).kill_on_drop(true);
        let mut child = command.spawn().context("cargo lambda watch does not start")?;
        answers(&mut child, &port).await?;
        Some(child)
    } else {
        tracing::warn!(
            "cargo lambda is not installed (pip install cargo-lambda); when it is, run in another terminal, \
             in {}: cargo {}",
            root.display(),
            arguments.join(" ")
        );
        None
    };
    Ok(Watch { child, environment })
}

/// Waits until it takes connections; its functions are built when they are first called.
async fn answers(child: &mut Child, port: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    while TcpStream::connect(format!("127.0.0.1:{port}")).await.is_err() {
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("cargo lambda watch ended at once: {status}");
        }
        anyhow::ensure!(began.elapsed() < PATIENCE, "cargo lambda watch does not answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

impl Watch {
    /// Ends it.
    pub(super) async fn stop(self) {
        if let Some(mut child) = self.child
            && let Err(error) = end(&mut child).await
        {
            tracing::warn!("cargo lambda watch does not stop: {error}");
        }
        if let Err(error) = std::fs::remove_file(&self.environment) {
            tracing::debug!("{} stays: {error}", self.environment.display());
        }
    }
}

/// Interrupts it, so that it ends its functions first; kills it if it does not end.
async fn end(child: &mut Child) -> std::io::Result<()> {
    if let Some(id) = child.id()
        && cfg!(unix)
    {
        let interrupted = Command::new("kill").args(["-INT", &id.to_string()]).stderr(Stdio::null()).status().await?;
        if interrupted.success() && tokio::time::timeout(PATIENCE, child.wait()).await.is_ok() {
            return Ok(());
        }
    }
    child.kill().await
}

/// What every function finds in its environment.
fn variables(cloud: &LocalCloud) -> anyhow::Result<String> {
    let mut variables = union_of_environments(cloud.template().functions.values())?;
    for (name, value) in [
        ("AWS_ENDPOINT_URL_DYNAMODB", cloud.dynamodb_url()),
        ("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", cloud.dynamodb_url()),
        ("AWS_ENDPOINT_URL_SQS", cloud.sqs_url()),
        // One port serves both.
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", cloud.sqs_url()),
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
    ] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    Ok(variables.into_iter().map(|(name, value)| format!("{name}={value}\n")).collect())
}
