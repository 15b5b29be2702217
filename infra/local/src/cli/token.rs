//! `cargo dev token`: a token for any user.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::Duration;

use crate::cloud::{Ready, kept_secrets};
use crate::tokens::{self, Claims};

/// The token to print.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) sub: String,
    pub(super) role: String,
    pub(super) days: u64,
    pub(super) state: Option<PathBuf>,
}

impl Wanted {
    /// The token, signed with the secret of the running cloud, or of the stored state if none runs.
    pub(super) fn token(&self, folder: &Path) -> anyhow::Result<String> {
        let claims = match Ready::of_running(folder)? {
            Some(ready) => ready.signing,
            None => {
                let secrets = kept_secrets(folder)?.with_context(|| {
                    format!("no local cloud runs and {} has no state; start one with `cargo dev`", folder.display())
                })?;
                Claims { secret: secrets.jwt_secret, ..Claims::default() }
            }
        };
        let days = i64::try_from(self.days).ok().and_then(Duration::try_days).context("--days is too large")?;
        tokens::token_for(&claims, &self.sub, &self.role, system::clock::system().now(), days)
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::Value;

    use super::*;
    use crate::cloud::{LocalCloud, Options};

    fn wanted(days: u64) -> Wanted {
        Wanted { sub: "ann".to_owned(), role: "student".to_owned(), days, state: None }
    }

    fn claims(token: &str, secret: &str) -> Value {
        let key = DecodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::decode::<Value>(token, &key, &Validation::default()).unwrap().claims
    }

    #[tokio::test]
    async fn signs_tokens_for_running_and_stopped_clouds() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let refusal = wanted(1).token(&state).unwrap_err().to_string();
        assert!(refusal.starts_with("no local cloud runs"), "{refusal}");

        let in_memory = Options { announced: Some(state.clone()), ..Options::of_workspace() };
        let cloud = LocalCloud::start(in_memory).await.unwrap();
        let token = wanted(1).token(&state).unwrap();
        let said = claims(&token, cloud.jwt_secret());
        assert_eq!((&said["sub"], &said["role"]), (&Value::from("ann"), &Value::from("student")));
        assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 24 * 3600);
        cloud.stop().await;
        assert!(wanted(1).token(&state).is_err());

        let kept = Options { state: Some(state.clone()), ..Options::of_workspace() };
        let cloud = LocalCloud::start(kept).await.unwrap();
        let secret = cloud.jwt_secret().to_owned();
        claims(&wanted(1).token(&state).unwrap(), &secret);
        cloud.stop().await;
        claims(&wanted(1).token(&state).unwrap(), &secret);
        assert!(wanted(u64::MAX).token(&state).is_err());
    }
}
