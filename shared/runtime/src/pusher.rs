//! The server of channels that the environment configures.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use crate::cached::{Cached, Unavailable};
use crate::context::Setup;
use crate::messaging::Queue;
use crate::secrets::Secret;
use domain::live::{Credentials, Subject};
use domain::notification::LinkTargets;
use system::environment::Reader;

/// An application of the server of channels. Its secret is in Secrets Manager.
pub struct PusherConfig {
    app: String,
    key: String,
    secret: Cached<Secret>,
}

impl PusherConfig {
    /// Which application of the server.
    #[must_use]
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The application with its secret, which may be up to five minutes old.
    ///
    /// # Errors
    /// The secret could never be fetched.
    pub async fn credentials(&self) -> Result<Credentials, Unavailable> {
        let secret = self.secret.get().await?.current;
        Ok(Credentials { app: self.app.clone(), key: self.key.clone(), secret })
    }

    /// The server does not accept these: the secret may have been changed.
    pub async fn invalidate(&self, credentials: &Credentials) {
        self.secret.invalidate_if(|secret| secret.current == credentials.secret).await;
    }
}

/// The other sites that notifications and announcements may link to: the pages' own origins, and hosts that the operator trusts.
pub fn link_targets(reader: &mut Reader<'_>) -> LinkTargets {
    let [origins, hosts] = ["ALLOWED_ORIGINS", "LINK_HOSTS"].map(|name| reader.optional(name).unwrap_or_default());
    let parse = |text: String| text.parse::<LinkTargets>().unwrap_or_default();
    parse(origins).and(parse(hosts))
}

/// The application that the environment names; nothing where live updates are off.
pub fn keys(setup: &mut Setup<'_>) -> Option<PusherConfig> {
    match ["PUSHER_APP_ID", "PUSHER_KEY", "PUSHER_SECRET_ARN"].map(|name| setup.optional(name)) {
        [Some(app), Some(key), Some(arn)] => Some(PusherConfig { app, key, secret: setup.secret(arn) }),
        [None, None, None] => None,
        _ => {
            setup.reject("PUSHER_APP_ID, PUSHER_KEY and PUSHER_SECRET_ARN must be given together or not at all");
            None
        }
    }
}

/// Announces that stats which open pages show have changed.
#[derive(Clone)]
pub struct StatsNotifier(Option<Arc<dyn Queue>>);

impl StatsNotifier {
    /// Opens the queue of changed numbers where live updates are on.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self(setup.optional("PUSHER_KEY").map(|_| setup.queue("STATS_QUEUE_URL")))
    }

    /// Announces changed stats of these subjects; returns those whose announcement may be lost.
    pub async fn changed(&self, subjects: BTreeSet<Subject>, deadline: Instant) -> BTreeSet<Subject> {
        let Some(queue) = &self.0 else { return BTreeSet::new() };
        let bodies: Vec<String> = subjects.iter().map(ToString::to_string).collect();
        match queue.send_all(&bodies, deadline).await {
            Ok(()) => BTreeSet::new(),
            Err(unsent) => {
                tracing::warn!(error = %unsent, "changed stats are not announced: {unsent}");
                let unsent: BTreeSet<usize> = unsent.places.into_iter().collect();
                let places = subjects.into_iter().enumerate().filter(|(place, _)| unsent.contains(place));
                places.map(|(_, subject)| subject).collect()
            }
        }
    }
}

/// Where the server takes events, without a path; nothing where neither a host nor a cluster is named.
pub fn origin(reader: &mut Reader<'_>) -> Option<String> {
    let host = reader.optional("PUSHER_HOST").map(|host| {
        let is_url = host.starts_with("http://") || host.starts_with("https://");
        let host = host.trim_end_matches('/');
        if is_url { host.to_owned() } else { format!("https://{host}") }
    });
    host.or_else(|| Some(format!("https://api-{}.pusher.com", reader.optional("PUSHER_CLUSTER")?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::FunctionContext;
    use crate::testing::Lines;
    use system::environment::Environment;

    /// What is wrong with the keys where these variables are given.
    fn problems(given: &[&str]) -> Vec<String> {
        let environment: Environment = given.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
        let context = FunctionContext { environment, ..Lines::default().context() };
        context.open(keys).err().map(|error| error.0).unwrap_or_default()
    }

    #[test]
    fn keys_are_all_given_or_none_and_no_secret_is_a_variable() {
        for (given, is_right) in [
            (&[][..], true),
            (&["PUSHER_APP_ID", "PUSHER_KEY", "PUSHER_SECRET_ARN"], true),
            (&["PUSHER_APP_ID", "PUSHER_KEY"], false),
            (&["PUSHER_SECRET_ARN"], false),
            (&["PUSHER_APP_ID", "PUSHER_KEY", "PUSHER_SECRET"], false),
        ] {
            let problems = problems(given);
            assert_eq!(problems.is_empty(), is_right, "{given:?}: {problems:?}");
            assert!(problems.iter().all(|problem| problem.ends_with("together or not at all")), "{problems:?}");
        }
    }
}
