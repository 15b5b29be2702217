//! The authorizer of the HTTP API: verifies tokens and write keys, and says who calls.
//!
//! It rejects no caller; see [`runtime::http::identity`] for why.

mod credentials;
mod jwks;
mod token;

use std::collections::BTreeSet;

use runtime::BoxFuture;
use runtime::cached::{Cached, Unavailable};
use runtime::context::FunctionContext;
use runtime::function::{Function, Invocation, InvocationError, Invoke, StartResult};
use runtime::http::identity::{Fault, Verdict};
use runtime::obs::Reporter;
use runtime::secrets::Secret;
use serde_json::json;
use system::environment::Reader;
use tokio::time::Instant;

use credentials::{Credentials, Event};
use token::{Keys, Rules};

/// The function.
pub const FUNCTION: Function = Function { name: "authorizer", start };

fn start(context: &FunctionContext) -> StartResult {
    let Config { write_keys, keys, rules } = context.open(|setup| config(setup, |arn| context.secret(arn)))?;
    Ok(Box::new(Authorizer { write_keys, keys, rules, reporter: context.reporter(FUNCTION.name) }))
}

struct Config {
    write_keys: BTreeSet<String>,
    keys: Keys,
    rules: Rules,
}

fn config(environment: &mut Reader<'_>, secret: impl FnOnce(String) -> Cached<Secret>) -> Config {
    let secret = environment.optional("JWT_SECRET_ARN").map(secret);
    let jwks = match environment.optional("JWKS_URL").map(|url| jwks::jwks(&url)) {
        Some(Ok(source)) => Some(Cached::new(source)),
        Some(Err(problem)) => {
            environment.reject(format!("JWKS_URL {problem}"));
            None
        }
        None => None,
    };
    if secret.is_none() && jwks.is_none() {
        environment.reject("neither JWT_SECRET_ARN nor JWKS_URL is given, so no token could be verified");
    }
    let write_keys = environment.optional("WRITE_KEYS").unwrap_or_default();
    let write_keys = write_keys.split(',').map(str::trim).filter(|key| !key.is_empty()).map(str::to_owned).collect();
    let rules = Rules { issuer: environment.optional("JWT_ISSUER"), audience: environment.optional("JWT_AUDIENCE") };
    if jwks.is_some() && (rules.issuer.is_none() || rules.audience.is_none()) {
        // An identity provider signs tokens of other applications with the same keys.
        environment
            .reject("JWKS_URL needs JWT_ISSUER and JWT_AUDIENCE, or tokens of other applications would be accepted");
    }
    Config { write_keys, keys: Keys { secret, jwks }, rules }
}

struct Authorizer {
    write_keys: BTreeSet<String>,
    keys: Keys,
    rules: Rules,
    reporter: Reporter,
}

impl Authorizer {
    async fn judge(&self, event: &Event) -> Result<Verdict, Unavailable> {
        Ok(match event.credentials() {
            Credentials::Token(token) => token::verify(token, &self.keys, &self.rules, self.reporter.now()).await?,
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
            let (verdict, outcome) = match self.judge(&event).await {
                Ok(verdict @ Verdict::User { .. }) => (verdict, ("ok", "user")),
                Ok(verdict @ Verdict::Anonymous) => (verdict, ("ok", "anonymous")),
                Ok(verdict @ Verdict::Refused { .. }) => (verdict, ("refused", "refused")),
                Err(error) => {
                    tracing::error!(error = %error, "tokens are not checked: {error}");
                    (Verdict::Refused { fault: Fault::Unchecked }, ("failed", "keys"))
                }
            };
            self.reporter.ended(&invocation.request_id, began, outcome, &[]);
            Ok(json!({"isAuthorized": true, "context": verdict.to_context()}).to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use runtime::cached::Source;
    use system::environment::Environment;

    use super::*;

    fn problems(variables: &[(&str, &str)]) -> Vec<String> {
        struct Nothing;
        impl Source<Secret> for Nothing {
            fn fetch(&self) -> BoxFuture<'_, Result<Secret, Unavailable>> {
                Box::pin(std::future::ready(Err(Unavailable("there is none".to_owned()))))
            }
        }
        let environment: Environment =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut reader = environment.reader();
        let config = config(&mut reader, |_| Cached::new(Arc::new(Nothing)));
        reader.finish(config).err().map(|error| error.0).unwrap_or_default()
    }

    #[test]
    fn refuses_to_start_where_no_token_could_be_trusted() {
        const JWKS: (&str, &str) = ("JWKS_URL", "https://keys.example/jwks.json");
        let [issuer, audience] = [("JWT_ISSUER", "https://id.example"), ("JWT_AUDIENCE", "tally")];
        assert_eq!(problems(&[("JWT_SECRET_ARN", "arn:aws:secretsmanager:…")]), [""; 0]);
        assert_eq!(problems(&[("WRITE_KEYS", "a")]).len(), 1);
        assert_eq!(
            problems(&[("JWKS_URL", "http://keys.example/jwks.json")]).len(),
            2,
            "plain http, hence none at all"
        );
        assert_eq!(problems(&[JWKS, issuer, audience]), [""; 0]);
        for given in [&[JWKS][..], &[JWKS, issuer], &[JWKS, audience], &[JWKS, ("JWT_SECRET_ARN", "arn:…"), issuer]] {
            assert_eq!(problems(given).len(), 1, "{given:?}");
        }
    }
}
