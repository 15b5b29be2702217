//! A site with a server of channels, and who is on it.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::time::Time;
use http::Method;
use local::secrets::SecretsManager;
use local::wire::ClientOptions;
use serde_json::{Value, json};
use system::clock::{Clock, SystemClock};

use super::server::{APP, KEY, SECRET, SECRET_ARN, Server, Told};
use crate::contract::contract;
use crate::support::app::{Answer, App, Forward};
use crate::support::requests;

pub(super) const AUTH: &str = "/api/pusher/auth";
pub(super) const NOTIFICATIONS: &str = "/api/notifications";
pub(super) const READ: &str = "/api/notifications/{notificationId}/read";
pub(super) const ANNOUNCEMENTS: &str = "/api/announcements";
pub(super) const COURSE: &str = "/api/courses/{courseId}";

/// Somebody with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Person<'a>(pub(super) &'a str, pub(super) &'a str);

pub(super) const EVE: Person<'_> = Person("eve", "seller");
pub(super) const SAM: Person<'_> = Person("sam", "student");
pub(super) const SUE: Person<'_> = Person("sue", "student");
pub(super) const TIM: Person<'_> = Person("tim", "teacher");
pub(super) const TOM: Person<'_> = Person("tom", "teacher");
pub(super) const ANN: Person<'_> = Person("ann", "artist");
pub(super) const ROOT: Person<'_> = Person("root", "admin");

/// The time when everything begins.
const NOON: &str = "2026-04-10T12:00:00.000Z";

pub(super) const JSON: (&str, &str) = ("content-type", "application/json");

/// A body with some fields changed.
pub(super) fn patched(mut body: Value, patch: &Value) -> Value {
    for (field, value) in patch.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

/// Asserts that an answer names these fields, and no other, as wrong.
#[track_caller]
pub(super) fn are_wrong(answer: &Answer, status: u16, fields: &[&str]) {
    let errors = answer.is_problem(status)["errors"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    let mut named: Vec<&str> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(named, fields, "{answer:?}");
}

pub(super) struct Api {
    pub(super) app: App,
    pub(super) server: Server,
    contract: Value,
    clock: Arc<Forward>,
}

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
        let clock = Arc::new(Forward::default());
        clock.by(NOON.parse::<DateTime<Utc>>().unwrap() - SystemClock.now());
        let app = App::start_with(|options| {
            options.clock = clock.clone();
            options.schedules = false;
            options.secrets = secrets;
            options.parameters.extend(parameters.iter().cloned());
        });
        Self { app: app.await, server, contract: contract(), clock }
    }

    pub(super) fn now(&self) -> Time {
        Time::from(self.clock.now())
    }

    /// Puts the clock forward.
    pub(super) fn until(&self, time: &str) {
        let time = time.parse::<DateTime<Utc>>().unwrap();
        assert!(self.clock.now() < time, "clocks are put forward alone");
        self.clock.by(time - SystemClock.now());
    }

    pub(super) fn token(&self, person: Person<'_>) -> String {
        self.token_of(person, &json!({}))
    }

    /// A token that says more.
    pub(super) fn token_of(&self, Person(subject, role): Person<'_>, more: &Value) -> String {
        let expiry = self.clock.now().timestamp() + 24 * 3600;
        let claims = patched(json!({"sub": subject, "role": role, "exp": expiry}), more);
        requests::signed(&self.app, &claims)
    }

    /// Sends a request of a route of the contract, with these headers alone; `of` is the id in its path, or what comes behind
    /// it.
    pub(super) async fn send(
        &self,
        to: (Method, &str),
        of: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        requests::send(&self.app, &self.contract, to, of, headers, body).await
    }

    /// Sends what somebody says, with some headers.
    pub(super) async fn say(
        &self,
        to: (Method, &str),
        of: &str,
        person: Person<'_>,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let token = self.token(person);
        self.send(to, of, &requests::headers(&token, headers), body.to_string()).await
    }

    /// Somebody wants to send a notification, under a key if one is given.
    pub(super) async fn notify(&self, person: Person<'_>, key: Option<&str>, body: &Value) -> Answer {
        let headers: Vec<(&str, &str)> = key.map(|key| ("idempotency-key", key)).into_iter().collect();
        self.say((Method::POST, NOTIFICATIONS), "", person, &headers, body).await
    }

    /// Somebody wants to read what they were told; the query begins with `?`.
    pub(super) async fn inbox(&self, person: Person<'_>, query: &str) -> Answer {
        let token = self.token(person);
        self.send((Method::GET, NOTIFICATIONS), query, &[("authorization", &token)], "").await
    }

    /// Somebody says that they have read something.
    pub(super) async fn read(&self, person: Person<'_>, id: &str) -> Answer {
        let token = self.token(person);
        self.send((Method::POST, READ), id, &[("authorization", &token)], "").await
    }

    /// What pages were told, when all has reached them.
    pub(super) async fn told(&self) -> Vec<Told> {
        self.app.settled().await;
        self.server.taken()
    }

    /// The items of the outbox whose partitions begin like that.
    pub(super) fn outbox(&self, prefix: &str) -> Vec<Value> {
        let request = json!({"TableName": self.app.cloud.table("OutboxTable").unwrap(), "ConsistentRead": true});
        let answer = self.app.cloud.database().call("Scan", &request.to_string(), &ClientOptions::default());
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        let items = answer["Items"].as_array().unwrap().iter();
        items.filter(|item| item["pk"]["S"].as_str().unwrap().starts_with(prefix)).cloned().collect()
    }
}
