//! A site with a Pusher server, and its users.

use http::Method;
use local::secrets::SecretsManager;
use serde_json::Value;

use super::server::{APP, KEY, SECRET, SECRET_ARN, Server, Told};
use crate::support::app::Answer;
pub(super) use crate::support::client::JSON;
use crate::support::client::{Client, delegate_to_client};
pub(super) use crate::support::items::with;
pub(super) use crate::support::people::{ANN, EVE, Person, ROOT, SAM, SUE, TIM, TOM};

pub(super) const AUTH: &str = "/api/pusher/auth";
pub(super) const NOTIFICATIONS: &str = "/api/notifications";
pub(super) const READ: &str = "/api/notifications/{notificationId}/read";
pub(super) const ANNOUNCEMENTS: &str = "/api/announcements";
pub(super) const COURSE: &str = "/api/courses/{courseId}";

/// The time when everything begins.
const NOON: &str = "2026-04-10T12:00:00.000Z";

/// Asserts that an answer names these fields, and no other, as wrong.
#[track_caller]
pub(super) fn assert_invalid(answer: &Answer, status: u16, fields: &[&str]) {
    let errors = answer.is_problem(status)["errors"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    let mut named: Vec<&str> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(named, fields, "{answer:?}");
}

pub(super) struct Api {
    client: Client,
    pub(super) server: Server,
}

delegate_to_client!(Api);

impl Api {
    pub(super) async fn start() -> Self {
        Self::start_with(Server::willing().await).await
    }

    pub(super) async fn start_with(server: Server) -> Self {
        let secrets = SecretsManager::default();
        secrets.put(SECRET_ARN, SECRET);
        let parameters = [
            ("PusherAppId", APP),
            ("PusherKey", KEY),
            ("PusherSecretArn", SECRET_ARN),
            ("PusherHost", &server.url),
            ("LinkHosts", "example.org"),
        ];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self::begin(&parameters, secrets, server).await
    }

    /// A site whose secret is in Secrets Manager, if it is there.
    pub(super) async fn with_secrets(secrets: SecretsManager, server: Server) -> Self {
        let parameters =
            [("PusherAppId", APP), ("PusherKey", KEY), ("PusherSecretArn", SECRET_ARN), ("PusherHost", &server.url)];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self::begin(&parameters, secrets, server).await
    }

    /// A site without live updates.
    pub(super) async fn without_keys() -> Self {
        Self::begin(&[], SecretsManager::default(), Server::willing().await).await
    }

    async fn begin(parameters: &[(String, String)], secrets: SecretsManager, server: Server) -> Self {
        let client = Client::start_at(NOON, |options| {
            options.schedules = false;
            options.secrets = secrets;
            options.parameters.extend(parameters.iter().cloned());
        });
        Self { client: client.await, server }
    }

    /// Sends a notification, with an idempotency key if one is given.
    pub(super) async fn notify(&self, person: Person<'_>, key: Option<&str>, body: &Value) -> Answer {
        let headers: Vec<(&str, &str)> = key.map(|key| ("idempotency-key", key)).into_iter().collect();
        self.call((Method::POST, NOTIFICATIONS), "", person, &headers, body).await
    }

    /// Reads an inbox; the query begins with `?`.
    pub(super) async fn inbox(&self, person: Person<'_>, query: &str) -> Answer {
        self.get(NOTIFICATIONS, person, query).await
    }

    /// Marks a notification as read.
    pub(super) async fn read(&self, person: Person<'_>, id: &str) -> Answer {
        self.send((Method::POST, READ), id, &[("authorization", &self.token(person))], "").await
    }

    /// The published events, once everything has settled.
    pub(super) async fn told(&self) -> Vec<Told> {
        self.app.settled().await;
        self.server.taken()
    }

    /// The items of the outbox whose partitions begin like that.
    pub(super) fn outbox(&self, prefix: &str) -> Vec<Value> {
        let items = self.app.scan("OutboxTable").into_iter();
        items.filter(|item| item["pk"]["S"].as_str().unwrap().starts_with(prefix)).collect()
    }
}
