//! A client of the HTTP API. Every answer is checked against the contract.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::time::Time;
use http::Method;
use local::cloud::Options;
use serde_json::{Value, json};
use system::clock::Clock;

use crate::contract::{assert_response_matches, contract};
use crate::support::app::{Answer, App};
use crate::support::clock::OffsetClock;
use crate::support::people::Person;

pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// The body of a request.
pub(crate) struct Body(Bytes);

impl From<&Value> for Body {
    fn from(json: &Value) -> Self {
        Self(json.to_string().into())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self(text.to_owned().into())
    }
}

impl From<Body> for Bytes {
    fn from(Body(bytes): Body) -> Self {
        bytes
    }
}

/// A token of a user.
pub(crate) fn token(app: &App, subject: &str, role: &str, now: DateTime<Utc>) -> String {
    let claims = local::tokens::Claims { secret: app.cloud.jwt_secret().to_owned(), issuer: None, audience: None };
    format!("Bearer {}", local::tokens::token(&claims, subject, role, now).unwrap())
}

/// A token with these claims.
pub(crate) fn signed(app: &App, claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(app.cloud.jwt_secret().as_bytes());
    format!("Bearer {}", jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap())
}

/// The same token with an invalid signature.
pub(crate) fn forged(token: &str) -> String {
    format!("{}x", token.trim_end_matches(char::is_alphanumeric))
}

/// The headers of a request with a token and a JSON body, and more.
pub(crate) fn headers<'a>(token: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![JSON, ("authorization", token)];
    all.extend_from_slice(more);
    all
}

/// Asserts that an answer names exactly these fields as invalid.
#[track_caller]
pub(crate) fn assert_invalid(answer: &Answer, status: u16, fields: &[&str]) {
    let errors = answer.is_problem(status)["errors"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    let named: Vec<&str> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(named, fields, "{answer:?}");
}

/// Asserts that an answer names exactly this field as invalid.
#[track_caller]
pub(crate) fn assert_invalid_field(answer: &Answer, status: u16, field: &str) {
    assert_invalid(answer, status, &[field]);
}

/// The pages of a list. `ask` gets the query parameter that continues the list, and returns the answer with the page.
pub(crate) async fn pages(field: &str, ask: impl AsyncFn(&str) -> Answer) -> Vec<Vec<Value>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = ask(&cursor).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        pages.push(answer.body[field].as_array().unwrap().clone());
        assert!(pages.len() < 100, "the list does not end");
        match &answer.body["cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            end => {
                assert!(end.is_null(), "{end}");
                return pages;
            }
        }
    }
}

/// A local cloud, its clock, and a client of its API.
pub(crate) struct Client {
    pub(crate) app: App,
    pub(crate) clock: Arc<OffsetClock>,
    contract: Value,
    has_names: bool,
}

impl Client {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        Self::start_on(Arc::default(), change).await
    }

    /// Starts a cloud at another time.
    pub(crate) async fn start_at(time: &str, change: impl FnOnce(&mut Options)) -> Self {
        let clock = OffsetClock::default();
        clock.set_time(time.parse().unwrap());
        Self::start_on(Arc::new(clock), change).await
    }

    async fn start_on(clock: Arc<OffsetClock>, change: impl FnOnce(&mut Options)) -> Self {
        let of_cloud = Arc::clone(&clock);
        let app = App::start_with(|options| {
            options.clock = of_cloud;
            change(options);
        });
        Self { clock, ..Self::of(app.await) }
    }

    /// A client of a cloud that has the system's time.
    pub(crate) fn of(app: App) -> Self {
        Self { app, clock: Arc::default(), contract: contract(), has_names: false }
    }

    /// A client whose tokens contain the names of their users.
    pub(crate) fn with_names(self) -> Self {
        Self { has_names: true, ..self }
    }

    pub(crate) fn now(&self) -> Time {
        Time::from(self.clock.now())
    }

    /// Moves the clock forward to a time.
    pub(crate) fn move_to(&self, time: &str) {
        let time = time.parse::<DateTime<Utc>>().unwrap();
        assert!(self.clock.now() < time, "a clock only moves forward");
        self.clock.set_time(time);
    }

    pub(crate) fn token(&self, Person(subject, role): Person<'_>) -> String {
        if self.has_names {
            return self.token_with(Person(subject, role), &json!({"name": format!("{subject} the {role}")}));
        }
        token(&self.app, subject, role, self.clock.now())
    }

    /// A token with further claims.
    pub(crate) fn token_with(&self, Person(subject, role): Person<'_>, claims: &Value) -> String {
        let expiry = self.clock.now().timestamp() + 24 * 3600;
        signed(&self.app, &super::items::with(&json!({"sub": subject, "role": role, "exp": expiry}), claims))
    }

    /// Sends a request to a route of the contract, with these headers only. `of` is the parameter of its path, or what
    /// follows the path.
    pub(crate) async fn send(
        &self,
        (method, route): (Method, &str),
        of: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let path = match (route.find('{'), route.find('}')) {
            (Some(begin), Some(end)) => format!("{}{of}{}", &route[..begin], &route[end + 1..]),
            _ => format!("{route}{of}"),
        };
        let answer = self.app.send(method.clone(), &path, headers, body.into()).await;
        assert_response_matches(&self.contract, &method, route, &answer);
        answer
    }

    /// Sends a request of a user.
    pub(crate) async fn call(
        &self,
        to: (Method, &str),
        of: &str,
        person: Person<'_>,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        self.send(to, of, &self::headers(&self.token(person), headers), body).await
    }

    /// Reads a route as a user. `of` is the parameter of its path, or its query.
    pub(crate) async fn get(&self, route: &str, person: Person<'_>, of: &str) -> Answer {
        self.send((Method::GET, route), of, &[("authorization", &self.token(person))], "").await
    }

    pub(crate) async fn finish(&self) {
        self.app.finish().await;
    }
}

/// Lets a type call the methods of its field `client`.
macro_rules! delegate_to_client {
    ($type:ty) => {
        impl std::ops::Deref for $type {
            type Target = $crate::support::client::Client;

            fn deref(&self) -> &Self::Target {
                &self.client
            }
        }
    };
}

pub(crate) use delegate_to_client;
