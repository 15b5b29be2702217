//! A local cloud with quizzes, and a client of its API.

use std::sync::Arc;

use http::Method;
use local::wire::{Call, Fault};
use serde_json::{Value, json};

use crate::support::app::Answer;
pub(super) use crate::support::client::JSON;
use crate::support::client::{Body, Client, delegate_to_client};
pub(super) use crate::support::people::{ANN, EVE, Person, ROOT, SAM, SUE, TIM};

pub(super) const QUIZ: &str = "/api/quizzes/{quizId}";
pub(super) const LIKE: &str = "/api/quizzes/{quizId}/like";
pub(super) const RATE: &str = "/api/quizzes/{quizId}/rate";
pub(super) const ATTEMPT: &str = "/api/quizzes/{quizId}/attempt";
pub(super) const STATS: &str = "/api/quizzes/{quizId}/stats";

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

/// The stats of a quiz.
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
    client: Client,
}

delegate_to_client!(Api);

impl Api {
    pub(super) async fn start() -> Self {
        Self::start_with(|_| Fault::None).await
    }

    /// An API whose functions have these faults.
    pub(super) async fn start_with(faults: impl Fn(&Call) -> Fault + Send + Sync + 'static) -> Self {
        Self { client: Client::start_with(|options| options.faults = Some(Arc::new(faults))).await }
    }

    pub(super) async fn put(
        &self,
        person: Person<'static>,
        id: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        self.call((Method::PUT, QUIZ), id, person, headers, body).await
    }

    pub(super) async fn post(&self, person: Person<'static>, route: &str, id: &str, body: impl Into<Body>) -> Answer {
        self.call((Method::POST, route), id, person, &[], body).await
    }

    pub(super) async fn like(&self, person: Person<'static>, id: &str) -> Answer {
        self.send((Method::POST, LIKE), id, &[("authorization", &self.token(person))], "").await
    }

    pub(super) async fn unlike(&self, person: Person<'static>, id: &str) -> Answer {
        self.send((Method::DELETE, LIKE), id, &[("authorization", &self.token(person))], "").await
    }

    pub(super) async fn rate(&self, person: Person<'static>, id: &str, rating: u64) -> Answer {
        self.post(person, RATE, id, json!({"rating": rating}).to_string()).await
    }

    pub(super) async fn attempt(&self, person: Person<'static>, id: &str, attempt: &Value) -> Answer {
        self.post(person, ATTEMPT, id, attempt.to_string()).await
    }

    /// Reads the stats of a quiz anonymously.
    pub(super) async fn stats(&self, id: &str, headers: &[(&str, &str)]) -> Answer {
        self.send((Method::GET, STATS), id, headers, "").await
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

    /// How many facts there are.
    pub(super) fn count(&self) -> u64 {
        self.app.items("InteractionsTable")
    }

    /// All facts.
    pub(super) fn facts(&self) -> Vec<Value> {
        self.app.scan("InteractionsTable")
    }

    /// Erases facts as an operator does. Returns how many.
    pub(super) fn erase(&self, is_meant: impl Fn(&Value) -> bool) -> usize {
        let facts: Vec<Value> = self.facts().into_iter().filter(is_meant).collect();
        for fact in &facts {
            let key = json!({"pk": fact["pk"], "sk": fact["sk"]});
            self.app.database("DeleteItem", "InteractionsTable", json!({"Key": key}));
        }
        facts.len()
    }
}

pub(super) fn attempt(id: &str, score: f64, max: f64) -> Value {
    json!({"attemptId": id, "score": score, "maxScore": max})
}

pub(super) fn is_of(fact: &Value, Person(user, _): Person<'static>) -> bool {
    fact["user"]["S"] == user
}
