//! Sellers, their products, views, and the boards.

use http::Method;
use local::cloud::Options;
use serde_json::{Value, json};

use crate::support::app::Answer;
pub(super) use crate::support::client::assert_invalid_field;
use crate::support::client::{Client, delegate_to_client};
use crate::support::items::with;
pub(super) use crate::support::people::{ANN, BOB, EVE, Person, ROOT, SAM, SUE, TIM};

pub(super) const PRODUCTS: &str = "/api/products";
pub(super) const PRODUCT: &str = "/api/products/{productId}";
pub(super) const VIEWS: &str = "/api/products/{productId}/views";
pub(super) const BOARD: &str = "/api/leaderboard";

/// The time when everything begins.
const NOON: &str = "2026-04-10T12:00:00.000Z";

/// A place on a board: rank, seller and value.
pub(super) type Place = (u64, String, u64);

/// Places for comparison with a board.
pub(super) fn places(places: &[(u64, &str, u64)]) -> Vec<Place> {
    places.iter().map(|(rank, who, value)| (*rank, (*who).to_owned(), *value)).collect()
}

/// The places of a board.
pub(super) fn told(board: &Value) -> Vec<Place> {
    let place = |entry: &Value| {
        let who = entry["sellerId"].as_str().unwrap().to_owned();
        (entry["rank"].as_u64().unwrap(), who, entry["value"].as_u64().unwrap())
    };
    board["entries"].as_array().unwrap().iter().map(place).collect()
}

/// A mug for 9.99 dollars, with some fields changed.
pub(super) fn mug(patch: &Value) -> Value {
    with(&json!({"title": "Mug", "price": 999, "currency": "USD"}), patch)
}

pub(super) struct Api {
    client: Client,
}

delegate_to_client!(Api);

impl Api {
    pub(super) async fn start() -> Self {
        Self::start_with(NOON, |_| {}).await
    }

    pub(super) async fn at(time: &str) -> Self {
        Self::start_with(time, |_| {}).await
    }

    pub(super) async fn start_with(time: &str, change: impl FnOnce(&mut Options)) -> Self {
        let client = Client::start_at(time, |options| {
            options.schedules = false;
            change(options);
        });
        Self { client: client.await }
    }

    /// Moves the clock forward to a time, once everything has settled.
    pub(super) async fn until(&self, time: &str) {
        self.app.settled().await;
        self.move_to(time);
    }

    /// Creates a product.
    pub(super) async fn create(&self, person: Person<'_>, body: &Value) -> Answer {
        self.call((Method::POST, PRODUCTS), "", person, &[], body).await
    }

    /// Replaces a product.
    pub(super) async fn put(&self, person: Person<'_>, id: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.call((Method::PUT, PRODUCT), id, person, headers, body).await
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

    /// Records this many sales of mugs for a seller.
    pub(super) async fn sells(&self, seller: &str, count: usize) {
        for _ in 0..count {
            let answer = self.create(ROOT, &mug(&json!({"sellerId": seller, "status": "sold"}))).await;
            assert_eq!(answer.status, 201, "{answer:?}");
        }
    }

    /// Views a product anonymously in this session.
    pub(super) async fn looks(&self, session: &str, id: &str) -> Answer {
        let headers = [("content-type", "application/json"), ("x-write-key", self.app.cloud.write_key())];
        self.send((Method::POST, VIEWS), id, &headers, json!({"sessionId": session}).to_string()).await
    }

    /// Views a product as a user.
    pub(super) async fn looks_as(&self, person: Person<'_>, id: &str, body: &Value) -> Answer {
        self.call((Method::POST, VIEWS), id, person, &[], body).await
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
