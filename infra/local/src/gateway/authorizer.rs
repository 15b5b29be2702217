//! Lambda authorizers with simple responses, and what is remembered of their answers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::request::Parts;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::config::{AuthorizerConfig, IdentitySource};
use super::event::{RequestFacts, query_parameters, text};
use crate::lambda::Invoker;

/// How long the gateway waits for an authorizer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many answers are remembered before those that are out of date are thrown away.
const MANY: usize = 10_000;

/// The decision of an authorizer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decision {
    /// The request is allowed, with this context of the caller.
    Allowed(Value),
    /// The request is denied.
    Denied,
    /// The request has no credentials.
    Anonymous,
    /// The authorizer failed, or its answer is not one.
    Broken,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Simple {
    is_authorized: bool,
    #[serde(default)]
    context: Option<serde_json::Map<String, Value>>,
}

/// An authorizer: by name, and what callers are known by.
type Key = (String, Vec<String>);

/// Asks authorizers and remembers their answers.
#[derive(Default)]
pub(super) struct Authorizers {
    remembered: Mutex<HashMap<Key, (Instant, Decision)>>,
}

impl Authorizers {
    /// Asks an authorizer. The timeout is at least that of AWS.
    pub(super) async fn ask(
        &self,
        name: &str,
        config: &AuthorizerConfig,
        facts: &RequestFacts,
        parts: &Parts,
        functions: &dyn Invoker,
        patience: Duration,
    ) -> Decision {
        let Some(identity) = identity(&config.identity, parts) else { return Decision::Anonymous };
        let key = (name.to_owned(), identity);
        let remembers = !config.remembered.is_zero();
        if remembers && let Some(decision) = self.recall(&key) {
            return decision;
        }
        let event = facts.for_authorizer(parts, &key.1);
        let answer =
            tokio::time::timeout(PATIENCE.max(patience), functions.invoke(&config.function, event.into())).await;
        let decision = match answer {
            Ok(Ok(answer)) => decide(&answer),
            Ok(Err(_)) | Err(_) => Decision::Broken,
        };
        if remembers && decision != Decision::Broken {
            self.remember(key, Instant::now() + config.remembered, decision.clone());
        }
        decision
    }

    fn recall(&self, key: &Key) -> Option<Decision> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(key).filter(|(until, _)| Instant::now() < *until).map(|(_, decision)| decision.clone())
    }

    fn remember(&self, key: Key, until: Instant, decision: Decision) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MANY {
            let now = Instant::now();
            remembered.retain(|_, (until, _)| now < *until);
        }
        remembered.insert(key, (until, decision));
    }
}

fn decide(answer: &str) -> Decision {
    match serde_json::from_str::<Simple>(answer) {
        Ok(Simple { is_authorized: true, context }) => Decision::Allowed(Value::Object(context.unwrap_or_default())),
        Ok(Simple { is_authorized: false, .. }) => Decision::Denied,
        Err(error) => {
            tracing::warn!("an authorizer's answer is not one: {error}");
            Decision::Broken
        }
    }
}

/// The values that callers are known by; none if one of them is missing or empty.
fn identity(sources: &[IdentitySource], parts: &Parts) -> Option<Vec<String>> {
    let query = query_parameters(parts.uri.query().unwrap_or_default());
    sources
        .iter()
        .map(|source| match source {
            IdentitySource::Header(name) => {
                let values: Vec<String> = parts.headers.get_all(name).iter().map(|value| text(Some(value))).collect();
                Some(values.join(",")).filter(|value| !value.is_empty())
            }
            IdentitySource::Query(name) => {
                query.get(name).and_then(Value::as_str).filter(|value| !value.is_empty()).map(str::to_owned)
            }
        })
        .collect()
}
