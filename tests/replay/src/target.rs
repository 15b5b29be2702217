//! The API and the credentials: from the command line, the environment or a running local cloud.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::api::Credential;

/// The announcement of a running local cloud.
const READY: &str = ".local/ready.json";

/// The given part of the target.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its URL.
    pub api_url: Option<String>,
    /// An admin's token.
    pub token: Option<String>,
    /// The announcement of the running local cloud; `None` searches for it.
    pub ready: Option<PathBuf>,
}

/// An API, and an admin's credential for it.
pub struct Target {
    /// Its URL.
    pub api_url: String,
    /// The admin's.
    pub credential: Credential,
}

impl Given {
    /// Reads `TALLY_API_URL` and `TALLY_TOKEN` from the environment.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the tools' one home of the environment")]
    pub fn by_environment() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self { api_url: variable("TALLY_API_URL"), token: variable("TALLY_TOKEN"), ready: None }
    }

    /// The API that is meant.
    ///
    /// # Errors
    /// The API is unknown, or there is no token for it.
    pub fn target(self) -> anyhow::Result<Target> {
        let (api_url, token) = match (self.api_url, self.token) {
            (Some(api_url), Some(token)) => (api_url, token),
            (Some(_), None) => bail!("--api-url needs a --token, or TALLY_TOKEN"),
            (None, token) => {
                let cloud = running(self.ready.as_deref())?;
                (cloud.api_url, token.unwrap_or(cloud.tokens.admin))
            }
        };
        Ok(Target { api_url, credential: Credential::Token(token) })
    }
}

/// The URLs and credentials of a running local cloud.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    api_url: String,
    tokens: Tokens,
}

#[derive(Deserialize)]
struct Tokens {
    admin: String,
}

/// Reads what `cargo dev` left in this folder or one above.
fn running(ready: Option<&Path>) -> anyhow::Result<Ready> {
    let here = std::env::current_dir()?;
    let default = || here.ancestors().map(|folder| folder.join(READY)).find(|path| path.exists());
    let path = ready.map(Path::to_owned).or_else(default).context(
        "which API? Start the local cloud with `cargo dev` in another terminal, or give --api-url and --token; \
         `cargo dev --json` prints both",
    )?;
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} does not contain the URL of the API", path.display()))
}
