//! A local cloud with quizzes, and what everybody asks of it.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use local::wire::{Call, ClientOptions, Fault};
use serde_json::{Value, json};
use system::clock::Clock as _;

use crate::contract::contract;
use crate::support::app::{Answer, App, Forward};
use crate::support::requests;

pub(super) const QUIZ: &str = "/api/quizzes/{quizId}";
pub(super) const LIKE: &str = "/api/quizzes/{quizId}/like";
pub(super) const RATE: &str = "/api/quizzes/{quizId}/rate";
pub(super) const ATTEMPT: &str = "/api/quizzes/{quizId}/attempt";
pub(super) const STATS: &str = "/api/quizzes/{quizId}/stats";

pub(super) const JSON: (&str, &str) = ("content-type", "application/json");

/// What the numbers of a quiz are that nothing happened to.
pub(super) const NOTHING: Numbers = Numbers { attempts: 0, likes: 0, ratings: 0, rating: None, score: None };

/// Students.
pub(super) const CLASS: [Person; 8] = [
    Person("s0", "student"),
    Person("s1", "student"),
    Person("s2", "student"),
    Person("s3", "student"),
    Person("s4", "student"),
    Person("s5", "student"),
    Person("s6", "student"),
    Person("s7", "student"),
];

/// Somebody with a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Person(pub(super) &'static str, pub(super) &'static str);

pub(super) const TIM: Person = Person("tim", "teacher");
pub(super) const EVE: Person = Person("eve", "seller");
pub(super) const SAM: Person = Person("sam", "student");
pub(super) const SUE: Person = Person("sue", "student");
pub(super) const ANN: Person = Person("ann", "artist");
pub(super) const ROOT: Person = Person("root", "admin");

/// The numbers of a quiz, as its stats tell them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Numbers {
    pub(super) attempts: u64,
    pub(super) likes: u64,
    pub(super) ratings: u64,
    pub(super) rating: Option<f64>,
    pub(super) score: Option<f64>,
}

impl Numbers {
    pub(super) fn of(stats: &Value) -> Self {
        let count = |name: &str| stats[name].as_u64().unwrap();
        Self {
            attempts: count("totalAttempts"),
            likes: count("totalLikes"),
            ratings: count("totalRatings"),
            rating: stats["averageRating"].as_f64(),
            score: stats["averageScore"].as_f64(),
        }
    }
}

pub(super) struct Api {
    pub(super) app: App,
    pub(super) contract: Value,
    pub(super) clock: Arc<Forward>,
}

impl Api {
    pub(super) async fn start() -> Self {
        Self::start_with(|_| Fault::None).await
    }

    /// An API whose functions have these faults.
    pub(super) async fn start_with(faults: impl Fn(&Call) -> Fault + Send + Sync + 'static) -> Self {
        let clock = Arc::new(Forward::default());
        let app = App::start_with(|options| {
            options.clock = clock.clone();
            options.faults = Some(Arc::new(faults));
        })
        .await;
        Self { app, contract: contract(), clock }
    }

    pub(super) fn token(&self, Person(subject, role): Person) -> String {
        requests::token(&self.app, subject, role, self.clock.now())
    }

    pub(super) async fn send(
        &self,
        (method, route, id): (Method, &str, &str),
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        requests::send(&self.app, &self.contract, (method, route), id, headers, body).await
    }

    pub(super) async fn put(&self, person: Person, id: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let token = self.token(person);
        self.send((Method::PUT, QUIZ, id), &requests::headers(&token, headers), body.to_string()).await
    }

    pub(super) async fn post(&self, person: Person, route: &str, id: &str, body: impl Into<Bytes>) -> Answer {
        let token = self.token(person);
        self.send((Method::POST, route, id), &[JSON, ("authorization", &token)], body).await
    }

    pub(super) async fn like(&self, person: Person, id: &str) -> Answer {
        let token = self.token(person);
        self.send((Method::POST, LIKE, id), &[("authorization", &token)], "").await
    }

    pub(super) async fn unlike(&self, person: Person, id: &str) -> Answer {
        let token = self.token(person);
        self.send((Method::DELETE, LIKE, id), &[("authorization", &token)], "").await
    }

    pub(super) async fn rate(&self, person: Person, id: &str, rating: u64) -> Answer {
        self.post(person, RATE, id, json!({"rating": rating}).to_string()).await
    }

    pub(super) async fn attempt(&self, person: Person, id: &str, attempt: &Value) -> Answer {
        self.post(person, ATTEMPT, id, attempt.to_string()).await
    }

    /// The stats of a quiz, as anybody may read them.
    pub(super) async fn stats(&self, id: &str, headers: &[(&str, &str)]) -> Answer {
        self.send((Method::GET, STATS, id), headers, "").await
    }

    /// The numbers of a quiz, when every fact has reached them.
    pub(super) async fn numbers(&self, id: &str) -> Numbers {
        self.app.settled().await;
        let answer = self.stats(id, &[]).await;
        assert_eq!((answer.status.as_u16(), &answer.body["quizId"]), (200, &json!(id)), "{answer:?}");
        Numbers::of(&answer.body)
    }

    /// A quiz of Tim's.
    pub(super) async fn quiz(&self, id: &str) {
        let answer = self.put(TIM, id, &[], &json!({"title": "Capitals"})).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    pub(super) fn call_database(&self, operation: &str, request: &Value) -> Value {
        let answer = self.app.cloud.database().call(operation, &request.to_string(), &ClientOptions::default());
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// How many facts there are.
    pub(super) fn count(&self) -> u64 {
        self.app.items("InteractionsTable")
    }

    /// All facts.
    pub(super) fn facts(&self) -> Vec<Value> {
        let answer = self.call_database("Scan", &json!({"TableName": self.app.cloud.table("InteractionsTable")}));
        assert_eq!(answer["LastEvaluatedKey"], Value::Null, "the scan is not complete");
        answer["Items"].as_array().unwrap().clone()
    }

    /// Erases facts, as whoever keeps the table may; tells how many.
    pub(super) fn erase(&self, is_meant: impl Fn(&Value) -> bool) -> usize {
        let facts: Vec<Value> = self.facts().into_iter().filter(is_meant).collect();
        for fact in &facts {
            let key = json!({"pk": fact["pk"], "sk": fact["sk"]});
            let table = self.app.cloud.table("InteractionsTable");
            self.call_database("DeleteItem", &json!({"TableName": table, "Key": key}));
        }
        facts.len()
    }

    pub(super) async fn finish(self) {
        self.app.finish().await;
    }
}

pub(super) fn attempt(id: &str, score: f64, max: f64) -> Value {
    json!({"attemptId": id, "score": score, "maxScore": max})
}

pub(super) fn is_of(fact: &Value, Person(user, _): Person) -> bool {
    fact["user"]["S"] == user
}
