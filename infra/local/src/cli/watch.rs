//! `cargo lambda watch`, as a child of the local cloud.
//!
//! It gives all functions the same variables, while the template gives each its own. So `cargo run` gets a runner: this
//! program, which reads the variables of the function from a file and then becomes the function.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::cloud::LocalCloud;
use crate::lambda::environments;
use crate::private;

/// Maximum time to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// The address of `cargo lambda watch`: the one that `cargo lambda invoke` uses, if this machine has IPv6.
///
/// # Errors
/// The port is taken.
pub(super) async fn address(port: u16) -> anyhow::Result<SocketAddr> {
    let addresses = [SocketAddr::from((Ipv6Addr::LOCALHOST, port)), SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
    for address in addresses {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener.local_addr()?),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                anyhow::bail!("port {port} of cargo lambda watch is taken; choose another with --functions-port")
            }
            Err(error) => tracing::debug!("{address}: {error}"),
        }
    }
    anyhow::bail!("cargo lambda watch cannot listen on port {port}")
}

/// A running `cargo lambda watch`.
pub(super) struct Watch {
    child: Child,
    address: SocketAddr,
    files: Files,
}

/// The files that it reads: the variables of every function, and the ignored paths.
struct Files {
    variables: PathBuf,
    ignored: PathBuf,
}

impl Files {
    fn in_folder(folder: &Path) -> Self {
        let file = |name: &str| folder.join(format!("cargo-lambda-{}.{name}", std::process::id()));
        Self { variables: file("json"), ignored: file("ignore") }
    }

    fn write(&self, cloud: &LocalCloud) -> anyhow::Result<()> {
        private::write(&self.variables, &variables(cloud)?)?;
        // Git's files and text are not part of functions.
        private::write(&self.ignored, "/.git\n/.local\n/.venv\n/target\n*.md\n")?;
        Ok(())
    }

    fn remove(&self) {
        for path in [&self.variables, &self.ignored] {
            if let Err(error) = std::fs::remove_file(path) {
                tracing::debug!("{} stays: {error}", path.display());
            }
        }
    }
}

/// Starts `cargo lambda watch`.
///
/// # Errors
/// It is not installed, or does not start.
pub(super) async fn start(
    cloud: &LocalCloud,
    root: &Path,
    folder: &Path,
    address: SocketAddr,
) -> anyhow::Result<Watch> {
    let installed = Command::new("cargo")
        .args(["lambda", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await
        .is_ok_and(|status| status.success());
    anyhow::ensure!(installed, "cargo lambda is not installed; install it with: pip install cargo-lambda");
    private::make_folder(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let files = Files::in_folder(folder);
    files.write(cloud)?;
    let runner = runner(&std::env::current_exe()?, &files.variables)?;
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = Command::new("cargo");
    command
        .args(["lambda", "watch", "--disable-cors", "--invoke-address", &ip, "--invoke-port", &port])
        .args(["--config", &runner])
        .env("CARGO_LAMBDA_IGNORE_FILES", &files.ignored)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .kill_on_drop(true);
    let child = command.spawn().context("cargo lambda watch does not start")?;
    let mut watch = Watch { child, address, files };
    match watch.answers().await {
        Ok(()) => Ok(watch),
        Err(error) => {
            watch.files.remove();
            Err(error)
        }
    }
}

/// The setting that makes `cargo run` start functions through this program.
fn runner(program: &Path, variables: &Path) -> anyhow::Result<String> {
    let [program, variables] = [program, variables].map(|path| path.to_str().map(serde_json::to_string));
    let (program, variables) = (
        program.context("the path of this program is not UTF-8")??,
        variables.context("the path of the state is not UTF-8")??,
    );
    // A string of JSON is one of TOML too.
    Ok(format!("target.'cfg(all())'.runner=[{program}, \"{}\", {variables}]", super::run_function::NAME))
}

impl Watch {
    /// Waits until it accepts connections. It builds a function at its first invocation.
    async fn answers(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while TcpStream::connect(self.address).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("cargo lambda watch ended at once: {status}");
            }
            anyhow::ensure!(began.elapsed() < PATIENCE, "cargo lambda watch does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// How to invoke one function with an example of its events.
    pub(super) fn described(&self) -> String {
        let mut options = String::new();
        if self.address.is_ipv4() {
            options.push_str(" --invoke-address 127.0.0.1");
        }
        if self.address.port() != super::arguments::WATCH_PORT {
            options.push_str(&format!(" --invoke-port {}", self.address.port()));
        }
        format!(
            "Functions run in `cargo lambda watch`; each is built when it is first called, and again when it was edited:\n\n  \
             cargo lambda invoke get-track{options} --data-file functions/get-track/events/get.json\n\n"
        )
    }

    /// Ends it.
    pub(super) async fn stop(mut self) {
        if let Err(error) = end(&mut self.child).await {
            tracing::warn!("cargo lambda watch does not stop: {error}");
        }
        self.files.remove();
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

/// The variables of every function, as JSON.
fn variables(cloud: &LocalCloud) -> anyhow::Result<String> {
    let endpoints = [
        ("AWS_ENDPOINT_URL_DYNAMODB", cloud.dynamodb_url()),
        ("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", cloud.dynamodb_url()),
        // One port serves both.
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", cloud.sqs_url()),
        ("AWS_ENDPOINT_URL_SQS", cloud.sqs_url()),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
    ];
    Ok(serde_json::to_string_pretty(&environments(cloud.template().functions.values(), &endpoints))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_setting_is_valid_toml() {
        let setting = runner(Path::new("/a \"b\"/local"), Path::new("/s/v.json")).unwrap();
        assert_eq!(setting, r#"target.'cfg(all())'.runner=["/a \"b\"/local", "run-function", "/s/v.json"]"#);
    }

    #[tokio::test]
    async fn a_port_in_use_is_reported() {
        let free = address(0).await.unwrap();
        assert!(free.ip().is_loopback() && free.port() != 0);
        let taken = TcpListener::bind(free).await.unwrap();
        let error = address(free.port()).await.unwrap_err().to_string();
        assert!(error.contains("--functions-port"), "{error}");
        drop(taken);
    }
}
