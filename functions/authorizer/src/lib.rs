//! The authorizer of the HTTP API: verifies tokens and write keys, and says who calls.
//!
//! It turns nobody away; see [`shared::http::identity`] for why.

mod credentials;
mod jwks;
mod token;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use shared::BoxFuture;
use shared::boot::Boot;
use shared::config::{ConfigError, Environment};
use shared::function::{Function, Invocation, InvocationError, Invoke, StartError};
use shared::http::identity::{Fault, Verdict};
use shared::obs::Reporter;
use tokio::time::Instant;

use credentials::{Credentials, Event};
use jwks::Jwks;
use token::{Keys, Rules, Unchecked};

/// The function.
pub const FUNCTION: Function = Function { name: "authorizer", start };

/// The shortest secret that HS256 is safe with, in bytes
/// ([RFC 7518, section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)).
const MIN_SECRET: usize = 32;

fn start(boot: &Boot) -> Result<Box<dyn Invoke>, StartError> {
    let Config { write_keys, keys, rules } = config(&boot.environment)?;
    Ok(Box::new(Authorizer { write_keys, keys, rules, reporter: Reporter::new(FUNCTION.name, boot) }))
}

struct Config {
    write_keys: BTreeSet<String>,
    keys: Keys,
    rules: Rules,
}

fn config(environment: &Environment) -> Result<Config, ConfigError> {
    let mut reader = environment.reader();
    let secret = reader.optional("JWT_SECRET");
    if secret.as_ref().is_some_and(|secret| secret.len() < MIN_SECRET) {
        reader.reject(format!("JWT_SECRET is shorter than {MIN_SECRET} bytes"));
    }
    let jwks = match reader.optional("JWKS_URL").map(|url| Jwks::new(&url)) {
        Some(Ok(jwks)) => Some(Arc::new(jwks)),
        Some(Err(problem)) => {
            reader.reject(format!("JWKS_URL {problem}"));
            None
        }
        None => None,
    };
    if secret.is_none() && jwks.is_none() {
        reader.reject("neither JWT_SECRET nor JWKS_URL is given, so no token could be verified");
    }
    let write_keys = reader.optional("WRITE_KEYS").unwrap_or_default();
    let write_keys = write_keys.split(',').map(str::trim).filter(|key| !key.is_empty()).map(str::to_owned).collect();
    let rules = Rules { issuer: reader.optional("JWT_ISSUER"), audience: reader.optional("JWT_AUDIENCE") };
    reader.finish(Config { write_keys, keys: Keys::new(secret.as_deref(), jwks), rules })
}

struct Authorizer {
    write_keys: BTreeSet<String>,
    keys: Keys,
    rules: Rules,
    reporter: Reporter,
}

impl Authorizer {
    async fn judge(&self, event: &Event) -> Result<Verdict, Unchecked> {
        Ok(match event.credentials() {
            Credentials::Token(token) => {
                match token::verify(token, &self.keys, &self.rules, self.reporter.now()).await? {
                    Ok(verdict) => verdict,
                    Err(fault) => Verdict::Refused { fault },
                }
            }
            Credentials::WriteKey(key) if self.write_keys.contains(key) => Verdict::Anonymous,
            Credentials::WriteKey(_) => Verdict::Refused { fault: Fault::WriteKey },
            Credentials::Nothing => Verdict::Refused { fault: Fault::Missing },
        })
    }
}

impl Invoke for Authorizer {
    fn invoke<'a>(
        &'a self,
        payload: &'a str,
        invocation: &'a Invocation,
    ) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let began = Instant::now();
            let event: Event = serde_json::from_str(payload)
                .map_err(|error| InvocationError { message: format!("not an authorizer's request: {error}") })?;
            // An invocation that fails is not kept by the gateway, as a verdict would be for minutes.
            let verdict = self.judge(&event).await.map_err(|error| {
                tracing::error!(error = %error, "{error}");
                self.reporter.ended(invocation, began, ("failed", "keys"), Vec::new());
                InvocationError { message: error.to_string() }
            })?;
            let told = match verdict {
                Verdict::User { .. } => ("ok", "user"),
                Verdict::Anonymous => ("ok", "anonymous"),
                Verdict::Refused { .. } => ("refused", "refused"),
            };
            self.reporter.ended(invocation, began, told, Vec::new());
            Ok(json!({"isAuthorized": true, "context": verdict.to_context()}).to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(variables: &[(&str, &str)]) -> Vec<String> {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        config(&environment).err().map(|error| error.0).unwrap_or_default()
    }

    #[test]
    fn will_not_start_where_no_token_could_be_trusted() {
        assert_eq!(problems(&[("JWT_SECRET", &"x".repeat(32))]), [""; 0]);
        assert_eq!(problems(&[("JWT_SECRET", "short")]).len(), 1);
        assert_eq!(problems(&[("WRITE_KEYS", "a")]).len(), 1);
        assert_eq!(
            problems(&[("JWKS_URL", "http://keys.example/jwks.json")]).len(),
            2,
            "plain http, hence none at all"
        );
        assert_eq!(problems(&[("JWKS_URL", "https://keys.example/jwks.json")]), [""; 0]);
    }
}
