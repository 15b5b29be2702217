//! A small marketplace with facts in every system, and its figures.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use crate::support::app::{Answer, App, event};
pub(super) use crate::support::items::key;
use crate::support::items::text;

/// All items of some tables, by table and key.
pub(super) type Dump = BTreeMap<(&'static str, String, String), Value>;

/// The tables that hold facts, each with the prefixes of their partitions.
pub(super) const FACTS: [(&str, &[&str]); 3] = [
    ("EventsTable", &["TRACK#"]),
    ("InteractionsTable", &["QUIZ#", "PRODUCT#", "VIEWS#"]),
    ("PurchasesTable", &["SALES#", "BUYER#"]),
];

/// A cloud with a track, a quiz in a package, and a product.
pub(super) struct Market {
    pub(super) app: App,
    round: usize,
}

impl Market {
    pub(super) async fn open() -> Self {
        Self::with(App::start().await).await
    }

    pub(super) async fn with(app: App) -> Self {
        let market = Self { app, round: 0 };
        for quiz in ["quiz-1", "quiz-2"] {
            market.done("teacher", Method::PUT, &format!("/api/quizzes/{quiz}"), &json!({"title": "Sums"})).await;
        }
        let described = json!({
            "packageId": "pack", "title": "Algebra", "price": 500, "currency": "INR", "quizIds": ["quiz-1"],
        });
        market.done("teacher", Method::POST, "/api/packages", &described).await;
        market
    }

    /// The same market in another cloud, which knows its past.
    pub(super) fn in_cloud(&self, app: App) -> Self {
        Self { app, round: self.round }
    }

    pub(super) async fn call(&self, role: &str, method: Method, path: &str, body: &Value) -> Answer {
        let token = self.app.token(role);
        let key = format!("key-{}-{}", self.round, path.len());
        let headers = [
            ("content-type", "application/json"),
            ("authorization", token.as_str()),
            ("idempotency-key", key.as_str()),
        ];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.app.send(method, path, &headers, body).await
    }

    async fn done(&self, role: &str, method: Method, path: &str, body: &Value) -> Value {
        let answer = self.call(role, method, path, body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer.body
    }

    /// How often something happened in every system.
    pub(super) fn rounds(&self) -> usize {
        self.round
    }

    /// Something happens in every system.
    pub(super) async fn goes_on(&mut self) {
        self.round += 1;
        let round = self.round;
        let answer =
            self.app.post(&json!([event(&format!("play-{round}"), &json!({"sessionId": format!("s{round}")}))])).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.done("student", Method::POST, "/api/quizzes/quiz-1/rate", &json!({"rating": round % 5 + 1})).await;
        let attempt = json!({"attemptId": format!("attempt-{round}"), "score": 3, "maxScore": 4});
        self.done("student", Method::POST, "/api/quizzes/quiz-1/attempt", &attempt).await;
        let product = format!("lamp-{round}");
        let lamp = json!({"title": "Lamp", "price": 2500, "currency": "USD"});
        let mut offered = lamp.clone();
        (offered["productId"], offered["sellerId"]) = (json!(product), json!("sally"));
        self.done("admin", Method::POST, "/api/products", &offered).await;
        self.done("student", Method::POST, &format!("/api/products/{product}/views"), &json!({})).await;
        if round.is_multiple_of(2) {
            let mut sold = lamp;
            sold["status"] = json!("sold");
            self.done("admin", Method::PUT, &format!("/api/products/{product}"), &sold).await;
        }
        // A package is bought once.
        let package = format!("pack-{round}");
        let described = json!({
            "packageId": package, "title": "Algebra", "price": 500, "currency": "INR", "quizIds": ["quiz-2"],
        });
        self.done("teacher", Method::POST, "/api/packages", &described).await;
        let order = json!({
            "itemType": "package", "itemId": package, "amount": 500, "currency": "INR", "paymentMethod": "card",
        });
        self.done("student", Method::POST, "/api/purchases", &order).await;
    }

    /// All figures that users see, once everything has settled.
    pub(super) async fn told(&self) -> BTreeMap<&'static str, Value> {
        self.app.settled().await;
        let mut told = BTreeMap::new();
        for path in [
            "/api/tracks/song",
            "/api/stats/analytics?trackId=song&timeRange=all",
            "/api/quizzes/quiz-1/stats",
            "/api/packages/stats?packageId=pack",
            "/api/leaderboard?metric=views&period=all",
            "/api/leaderboard?metric=sales&period=all",
            "/api/products/trending",
            "/api/seller/dashboard?sellerId=sally",
            "/api/purchases/analytics",
        ] {
            let mut body = self.done("admin", Method::GET, path, &Value::Null).await;
            timeless(&mut body);
            told.insert(path, body);
        }
        told
    }

    /// All items of a table.
    pub(super) fn dump(&self, table: &'static str) -> Dump {
        let items = self.app.scan(table).into_iter();
        items.map(|item| ((table, text(&item, "pk"), text(&item, "sk")), item)).collect()
    }

    pub(super) fn put(&self, table: &str, item: &Value) {
        self.app.database("PutItem", table, json!({"Item": item}));
    }

    /// Replaces the items of a table, as if later writes had been lost.
    pub(super) fn restore(&self, table: &'static str, dump: &Dump) {
        for ((_, pk, sk), item) in self.dump(table) {
            match dump.get(&(table, pk.clone(), sk.clone())) {
                Some(was) if *was == item => {}
                Some(was) => self.put(table, was),
                None => drop(self.app.database("DeleteItem", table, json!({"Key": key(&pk, &sk)}))),
            }
        }
        for ((_, pk, sk), item) in dump {
            let held = self.app.database("GetItem", table, json!({"Key": key(pk, sk), "ConsistentRead": true}));
            if held["Item"].is_null() {
                self.put(table, item);
            }
        }
    }

    /// The keys of all facts of partitions that begin so.
    pub(super) fn facts(&self, table: &'static str, prefix: &str) -> Vec<(String, String)> {
        let facts = self.dump(table).into_keys().filter(|(_, pk, _)| pk.starts_with(prefix));
        facts.map(|(_, pk, sk)| (pk, sk)).collect()
    }
}

/// Takes out when something was counted: that differs each time.
fn timeless(body: &mut Value) {
    match body {
        Value::Object(fields) => {
            fields.retain(|name, _| !["asOf", "changedAt", "range", "readFrom", "serverTime"].contains(&name.as_str()));
            fields.values_mut().for_each(timeless);
        }
        Value::Array(all) => all.iter_mut().for_each(timeless),
        _ => {}
    }
}

/// The event with which a stream delivers these facts.
pub(super) fn delivery(facts: &[(String, String)]) -> Value {
    let record = |(number, (pk, sk)): (usize, &(String, String))| {
        json!({
            "eventID": format!("e{number}"), "eventName": "INSERT", "eventVersion": "1.1",
            "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_769_860_800, "Keys": key(pk, sk), "SequenceNumber": format!("{number:021}"),
                "SizeBytes": 60, "StreamViewType": "KEYS_ONLY",
            },
        })
    };
    json!({"Records": facts.iter().enumerate().map(record).collect::<Vec<_>>()})
}
