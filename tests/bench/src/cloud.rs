//! Local clouds to measure.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;

use anyhow::Context as _;
use local::capacity::Meter;
use local::cloud::{LocalCloud, Options};
use replay::api::{Api, Credential, Patience};
use serde::Deserialize;

use crate::options::Serve;

/// The URLs and credentials of a local cloud.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    api_url: String,
    write_key: String,
}

/// A local cloud in a process of its own, so that load and cloud disturb each other as little as
/// one machine allows. It ends when this value is dropped, or this process ends.
pub(crate) struct Apart {
    process: Child,
    /// The cloud ends when this closes.
    leash: Option<ChildStdin>,
    ready: Ready,
}

impl Apart {
    /// Starts one without limits and waits until it is ready.
    pub(crate) fn start() -> anyhow::Result<Self> {
        Self::start_as(Serve::WithoutLimits)
    }

    /// Starts one of these and waits until it is ready.
    pub(crate) fn start_as(serve: Serve) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(serve.word())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a local cloud")?;
        let leash = process.stdin.take();
        let mut said = BufReader::new(process.stdout.take().context("no output")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        // The rest of its output is read too, so that it does not block.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let ready = serde_json::from_str(&line).context("the local cloud did not start");
        match ready {
            Ok(ready) => Ok(Self { process, leash, ready }),
            Err(error) => {
                process.kill()?;
                process.wait()?;
                Err(error)
            }
        }
    }

    /// A client of its API, anonymous with the public write key as most clients are.
    pub(crate) fn api(&self) -> anyhow::Result<Api> {
        client(&self.ready.api_url, &self.ready.write_key)
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        drop(self.leash.take());
        // It may have ended already.
        drop(self.process.wait());
    }
}

/// Is the local cloud of another process, until that one lets go.
pub(crate) fn serve(serve: Serve) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let options = match serve {
        Serve::WithoutLimits => Options::of_workspace().without_limits(),
        Serve::WithQuotas => Options::of_workspace().without_throttles(),
    };
    let cloud = runtime.block_on(LocalCloud::start(options))?;
    println!("{}", cloud.summary().to_json()?);
    std::io::stdin().read_to_end(&mut Vec::new())?;
    runtime.block_on(cloud.stop());
    Ok(())
}

/// A local cloud in this process, which meters what its functions use.
pub(crate) struct Metered {
    pub(crate) cloud: LocalCloud,
    pub(crate) meter: Arc<Meter>,
}

impl Metered {
    /// Starts it.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let meter = Arc::new(Meter::default());
        let options = Options { meter: Some(Arc::clone(&meter)), ..Options::of_workspace().without_limits() };
        Ok(Self { cloud: LocalCloud::start(options).await?, meter })
    }

    /// A client of its API, anonymous with the public write key.
    pub(crate) fn api(&self) -> anyhow::Result<Api> {
        client(self.cloud.api_url(), self.cloud.write_key())
    }
}

fn client(url: &str, write_key: &str) -> anyhow::Result<Api> {
    Ok(Api::new(url, Some(&Credential::WriteKey(write_key.to_owned())), Patience::default())?)
}
