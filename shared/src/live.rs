//! The way to the server of channels, as the environment tells it.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use crate::boot::Boot;
use crate::config::Reader;
use crate::domain::live::{Credentials, Subject};
use crate::messaging::{self, Queue};
use crate::store::Outbox;

/// What the server and Tally know of each other; nothing where live updates are off.
pub fn credentials(reader: &mut Reader<'_>) -> Option<Credentials> {
    let [app, key, secret] = ["PUSHER_APP_ID", "PUSHER_KEY", "PUSHER_SECRET"].map(|name| reader.optional(name));
    match (app, key, secret) {
        (Some(app), Some(key), Some(secret)) => Some(Credentials { app, key, secret }),
        (None, None, None) => None,
        _ => {
            reader.reject("PUSHER_APP_ID, PUSHER_KEY and PUSHER_SECRET must be given together, or none of them");
            None
        }
    }
}

/// The outbox; nothing where live updates are off, for then nobody is told anything.
pub fn outbox(reader: &mut Reader<'_>, boot: &Boot) -> Option<Outbox> {
    let key = reader.optional("PUSHER_KEY");
    key.map(|_| Outbox::new(boot.dynamodb(), reader.required("OUTBOX_TABLE")))
}

/// Whom it is told that numbers have changed which open pages show.
#[derive(Clone)]
pub struct Numbers(Option<Arc<dyn Queue>>);

impl Numbers {
    /// The queue; nobody is told anything where live updates are off.
    pub fn of(reader: &mut Reader<'_>, boot: &Boot) -> Self {
        let key = reader.optional("PUSHER_KEY");
        Self(key.map(|_| messaging::sqs(boot.sqs(), reader.required("NUMBERS_QUEUE_URL"))))
    }

    /// Numbers of these have changed; tells of which it may not be told.
    pub async fn changed(&self, subjects: BTreeSet<Subject>, deadline: Instant) -> BTreeSet<Subject> {
        let Some(queue) = &self.0 else { return BTreeSet::new() };
        let bodies: Vec<String> = subjects.iter().map(ToString::to_string).collect();
        match queue.send_all(&bodies, deadline).await {
            Ok(()) => BTreeSet::new(),
            Err(unsent) => {
                tracing::warn!(error = %unsent, "not told that numbers have changed: {unsent}");
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
