//! Sellers, what they sell, who looks at it, and the boards that tell of them.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::time::Time;
use http::Method;
use local::cloud::Options;
use serde_json::{Value, json};
use system::clock::{Clock, SystemClock};

use crate::contract::contract;
use crate::support::app::{Answer, App, Forward};
use crate::support::requests;

pub(super) const PRODUCTS: &str = "/api/products";
pub(super) const PRODUCT: &str = "/api/products/{productId}";
pub(super) const VIEWS: &str = "/api/products/{productId}/views";
pub(super) const BOARD: &str = "/api/leaderboard";

/// The time when everything begins.
const NOON: &str = "2026-04-10T12:00:00.000Z";

/// Somebody with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Person<'a>(pub(super) &'a str, pub(super) &'a str);

pub(super) const EVE: Person<'_> = Person("eve", "seller");
pub(super) const BOB: Person<'_> = Person("bob", "seller");
pub(super) const SAM: Person<'_> = Person("sam", "student");
pub(super) const SUE: Person<'_> = Person("sue", "student");
pub(super) const TIM: Person<'_> = Person("tim", "teacher");
pub(super) const ANN: Person<'_> = Person("ann", "artist");
pub(super) const ROOT: Person<'_> = Person("root", "admin");

/// A place on a board: the rank, who, how much.
pub(super) type Place = (u64, String, u64);

/// Places, to be compared with what a board tells.
pub(super) fn places(places: &[(u64, &str, u64)]) -> Vec<Place> {
    places.iter().map(|(rank, who, value)| (*rank, (*who).to_owned(), *value)).collect()
}

/// The places that a board tells.
pub(super) fn told(board: &Value) -> Vec<Place> {
    let place = |entry: &Value| {
        let who = entry["sellerId"].as_str().unwrap().to_owned();
        (entry["rank"].as_u64().unwrap(), who, entry["value"].as_u64().unwrap())
    };
    board["entries"].as_array().unwrap().iter().map(place).collect()
}

/// A mug for 9.99 dollars, with some fields changed.
pub(super) fn mug(patch: &Value) -> Value {
    let mut body = json!({"title": "Mug", "price": 999, "currency": "USD"});
    for (field, value) in patch.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

/// Asserts that an answer names this field, and no other, as wrong.
#[track_caller]
pub(super) fn is_wrong(answer: &Answer, status: u16, field: &str) {
    requests::are_wrong(answer, status, &[field]);
}

pub(super) struct Api {
    pub(super) app: App,
    contract: Value,
    clock: Arc<Forward>,
}

impl Api {
    pub(super) async fn start() -> Self {
        Self::start_with(NOON, |_| {}).await
    }

    pub(super) async fn at(time: &str) -> Self {
        Self::start_with(time, |_| {}).await
    }

    pub(super) async fn start_with(time: &str, change: impl FnOnce(&mut Options)) -> Self {
        let clock = Arc::new(Forward::default());
        clock.by(time.parse::<DateTime<Utc>>().unwrap() - SystemClock.now());
        let app = App::start_with(|options| {
            options.clock = clock.clone();
            options.schedules = false;
            change(options);
        });
        Self { app: app.await, contract: contract(), clock }
    }

    pub(super) fn now(&self) -> Time {
        Time::from(self.clock.now())
    }

    /// Puts the clock forward when all that happened has been counted.
    pub(super) async fn until(&self, time: &str) {
        self.app.settled().await;
        let time = time.parse::<DateTime<Utc>>().unwrap();
        assert!(self.clock.now() < time, "clocks are put forward alone");
        self.clock.by(time - SystemClock.now());
    }

    pub(super) fn token(&self, Person(subject, role): Person<'_>) -> String {
        requests::token(&self.app, subject, role, self.clock.now())
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

    /// Sends what somebody wants a product to be.
    async fn describe(
        &self,
        to: (Method, &str),
        id: &str,
        person: Person<'_>,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let token = self.token(person);
        let mut all = vec![("content-type", "application/json"), ("authorization", token.as_str())];
        all.extend_from_slice(headers);
        self.send(to, id, &all, body.to_string()).await
    }

    /// Somebody wants to offer a product.
    pub(super) async fn create(&self, person: Person<'_>, body: &Value) -> Answer {
        self.describe((Method::POST, PRODUCTS), "", person, &[], body).await
    }

    /// Somebody wants a product to be like that.
    pub(super) async fn put(&self, person: Person<'_>, id: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.describe((Method::PUT, PRODUCT), id, person, headers, body).await
    }

    /// A product is like that now: a mug with some fields changed.
    pub(super) async fn is(&self, person: Person<'_>, id: &str, patch: &Value) -> Value {
        let answer = self.put(person, id, &[], &mug(patch)).await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer.body
    }

    /// A mug has this status now, whether it was there before or not.
    pub(super) async fn becomes(&self, person: Person<'_>, id: &str, status: &str) -> Value {
        self.is(person, id, &json!({"status": status})).await
    }

    /// Somebody sells that many mugs.
    pub(super) async fn sells(&self, seller: &str, count: usize) {
        for _ in 0..count {
            let answer = self.create(ROOT, &mug(&json!({"sellerId": seller, "status": "sold"}))).await;
            assert_eq!(answer.status, 201, "{answer:?}");
        }
    }

    /// A page says that a product is looked at, in this session.
    pub(super) async fn looks(&self, session: &str, id: &str) -> Answer {
        let headers = [("content-type", "application/json"), ("x-write-key", self.app.cloud.write_key())];
        self.send((Method::POST, VIEWS), id, &headers, json!({"sessionId": session}).to_string()).await
    }

    /// Somebody who is signed in looks at a product.
    pub(super) async fn looks_as(&self, person: Person<'_>, id: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json"), ("authorization", &*self.token(person))];
        self.send((Method::POST, VIEWS), id, &headers, body.to_string()).await
    }

    /// Whether it counts that a product is looked at in this session.
    pub(super) async fn counts(&self, session: &str, id: &str) -> bool {
        counted(&self.looks(session, id).await)
    }

    /// A board, as it is at the moment; the query begins with `?`.
    pub(super) async fn peek(&self, query: &str) -> Answer {
        self.send((Method::GET, BOARD), query, &[], "").await
    }

    /// A board, when everything has reached it.
    pub(super) async fn board(&self, query: &str) -> Value {
        self.app.settled().await;
        let answer = self.peek(query).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        answer.body
    }

    /// The places on a board, when everything has reached it.
    pub(super) async fn places(&self, query: &str) -> Vec<Place> {
        told(&self.board(query).await)
    }
}

/// Whether a view was counted.
#[track_caller]
pub(super) fn counted(answer: &Answer) -> bool {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["counted"].as_bool().unwrap()
}
