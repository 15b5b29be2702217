//! People, what they do to quizzes and packages, and what that comes to.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use http::Method;
use serde_json::{Value, json};

use crate::support::app::{Answer, App};
use crate::support::client::{Client, delegate_to_client, pages};
pub(super) use crate::support::items::key;
pub(super) use crate::support::people::{ANN, EVE, KAI, Person, ROOT, SAM, SUE, TIM};

pub(super) const PACKAGES: &str = "/api/packages";
pub(super) const PACKAGE: &str = "/api/packages/{packageId}";
pub(super) const STATS: &str = "/api/packages/stats";
pub(super) const REFRESHES: &str = "/api/admin/packages/refresh";
pub(super) const REFRESH: &str = "/api/admin/packages/refresh/{refreshId}";
const QUIZ: &str = "/api/quizzes/{quizId}";
const LIKE: &str = "/api/quizzes/{quizId}/like";
const RATE: &str = "/api/quizzes/{quizId}/rate";
const ATTEMPT: &str = "/api/quizzes/{quizId}/attempt";

/// The highest score of every attempt.
const MAX_SCORE: u64 = 8;

/// How many requests are under way at once where many are sent.
const AT_ONCE: usize = 16;

/// An action on a quiz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Like,
    Unlike,
    Rate(u64),
    /// Which attempt of this person at this quiz, and its score of 8.
    Attempt(u64, u64),
}

/// What people did to quizzes, as the test remembers it.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    likes: BTreeSet<(Person<'static>, String)>,
    ratings: BTreeMap<(Person<'static>, String), u64>,
    attempts: BTreeMap<(Person<'static>, String, u64), u64>,
}

impl Deeds {
    pub(super) fn note(&mut self, person: Person<'static>, quiz: &str, deed: Deed) {
        let key = (person, quiz.to_owned());
        match deed {
            Deed::Like => drop(self.likes.insert(key)),
            Deed::Unlike => drop(self.likes.remove(&key)),
            Deed::Rate(rating) => drop(self.ratings.insert(key, rating)),
            Deed::Attempt(number, score) => drop(self.attempts.entry((key.0, key.1, number)).or_insert(score)),
        }
    }

    /// Adds the actions of other users.
    pub(super) fn extend(&mut self, others: Self) {
        self.likes.extend(others.likes);
        self.ratings.extend(others.ratings);
        self.attempts.extend(others.attempts);
    }

    /// What all of it comes to for these quizzes together, counted one by one.
    pub(super) fn of<Q: AsRef<str>>(&self, quizzes: &[Q]) -> Numbers {
        let is_in = |quiz: &str| quizzes.iter().any(|of| of.as_ref() == quiz);
        let ratings: Vec<u64> =
            self.ratings.iter().filter(|((_, quiz), _)| is_in(quiz)).map(|(_, rating)| *rating).collect();
        let scores: Vec<u64> =
            self.attempts.iter().filter(|((_, quiz, _), _)| is_in(quiz)).map(|(_, score)| *score).collect();
        let average = |numbers: &[u64], whole: f64| {
            (!numbers.is_empty()).then(|| numbers.iter().sum::<u64>() as f64 / numbers.len() as f64 * whole)
        };
        Numbers {
            likes: self.likes.iter().filter(|(_, quiz)| is_in(quiz)).count() as u64,
            ratings: ratings.len() as u64,
            attempts: scores.len() as u64,
            rating: average(&ratings, 1.0),
            score: average(&scores, 100.0 / MAX_SCORE as f64),
        }
    }
}

/// The numbers of a package; averages are compared as numbers that were divided.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Numbers {
    pub(super) likes: u64,
    pub(super) ratings: u64,
    pub(super) attempts: u64,
    pub(super) rating: Option<f64>,
    pub(super) score: Option<f64>,
}

impl PartialEq for Numbers {
    fn eq(&self, other: &Self) -> bool {
        let is_near = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-9,
            (a, b) => a.is_none() && b.is_none(),
        };
        (self.likes, self.ratings, self.attempts) == (other.likes, other.ratings, other.attempts)
            && is_near(self.rating, other.rating)
            && is_near(self.score, other.score)
    }
}

/// The stats of a package, read from an answer.
pub(super) fn numbers(stats: &Value) -> Numbers {
    let count = |name: &str| stats[name].as_u64().unwrap_or_else(|| panic!("{name} of {stats}"));
    Numbers {
        likes: count("totalLikes"),
        ratings: count("totalRatings"),
        attempts: count("totalAttempts"),
        rating: stats["averageRating"].as_f64(),
        score: stats["averageScore"].as_f64(),
    }
}

/// A package of quizzes, as its creator describes it.
pub(super) fn described<Q: AsRef<str>>(quizzes: &[Q]) -> Value {
    let quizzes: Vec<&str> = quizzes.iter().map(AsRef::as_ref).collect();
    json!({"title": "Algebra", "price": 50_000, "currency": "INR", "quizIds": quizzes})
}

/// The same, as it is made under an id.
pub(super) fn named<Q: AsRef<str>>(id: &str, quizzes: &[Q]) -> Value {
    let mut body = described(quizzes);
    body["packageId"] = json!(id);
    body
}

/// So many names that begin alike, in the order of their numbers.
pub(super) fn names(prefix: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{prefix}{number:03}")).collect()
}

pub(super) struct Api {
    client: Client,
}

delegate_to_client!(Api);

impl Api {
    pub(super) async fn start() -> Self {
        Self::of(App::start().await)
    }

    pub(super) fn of(app: App) -> Self {
        Self { client: Client::of(app) }
    }

    pub(super) async fn post(&self, person: Person<'static>, body: &Value) -> Answer {
        self.call((Method::POST, PACKAGES), "", person, &[], body.to_string()).await
    }

    pub(super) async fn put(
        &self,
        person: Person<'static>,
        id: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        self.call((Method::PUT, PACKAGE), id, person, headers, body.to_string()).await
    }

    pub(super) async fn delete(&self, person: Person<'static>, id: &str, headers: &[(&str, &str)]) -> Answer {
        self.call((Method::DELETE, PACKAGE), id, person, headers, "").await
    }

    pub(super) async fn get(&self, id: &str) -> Answer {
        self.call((Method::GET, PACKAGE), id, SAM, &[], "").await
    }

    /// Reads the stats of packages for a query.
    pub(super) async fn asked(&self, person: Person<'static>, query: &str, headers: &[(&str, &str)]) -> Answer {
        self.call((Method::GET, STATS), query, person, headers, "").await
    }

    /// Tim describes a quiz.
    pub(super) async fn put_quiz(&self, id: &str) -> Answer {
        self.call((Method::PUT, QUIZ), id, TIM, &[], json!({"title": "Sums"}).to_string()).await
    }

    /// There are these quizzes now.
    pub(super) async fn quizzes<Q: AsRef<str>>(&self, ids: &[Q]) {
        let put: Vec<_> = ids.iter().map(|id| self.put_quiz(id.as_ref())).collect();
        let answers: Vec<Answer> = futures::stream::iter(put).buffer_unordered(AT_ONCE).collect().await;
        for answer in answers {
            assert!(answer.status.is_success(), "{answer:?}");
        }
    }

    /// Tim makes a package.
    pub(super) async fn made<Q: AsRef<str>>(&self, id: &str, quizzes: &[Q]) -> Answer {
        let answer = self.post(TIM, &named(id, quizzes)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer
    }

    /// Tim has a package hold these quizzes.
    pub(super) async fn holds<Q: AsRef<str>>(&self, id: &str, quizzes: &[Q]) -> Answer {
        let answer = self.put(TIM, id, &[], &described(quizzes)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    /// Tim deletes a package.
    pub(super) async fn deleted(&self, id: &str) {
        let answer = self.delete(TIM, id, &[]).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    /// Performs an action on a quiz.
    pub(super) async fn tries(&self, person: Person<'static>, quiz: &str, deed: Deed) -> Answer {
        let (route, body) = match deed {
            Deed::Like => ((Method::POST, LIKE), Value::Null),
            Deed::Unlike => ((Method::DELETE, LIKE), Value::Null),
            Deed::Rate(rating) => ((Method::POST, RATE), json!({"rating": rating})),
            Deed::Attempt(number, score) => {
                let body = json!({"attemptId": format!("a{number}"), "score": score, "maxScore": MAX_SCORE});
                ((Method::POST, ATTEMPT), body)
            }
        };
        self.call(route, quiz, person, &[], body.to_string()).await
    }

    /// Performs an action on a quiz, asserts that it succeeds, and remembers it.
    pub(super) async fn does(&self, deeds: &mut Deeds, person: Person<'static>, quiz: &str, deed: Deed) {
        let answer = self.tries(person, quiz, deed).await;
        assert!(answer.status.is_success(), "{answer:?}");
        deeds.note(person, quiz, deed);
    }

    /// All of this happens, many at once, and is remembered.
    pub(super) async fn all_do(&self, deeds: &mut Deeds, all: &[(Person<'static>, &str, Deed)]) {
        let tries: Vec<_> = all.iter().map(|(person, quiz, deed)| self.tries(*person, quiz, *deed)).collect();
        let answers: Vec<Answer> = futures::stream::iter(tries).buffered(AT_ONCE).collect().await;
        for (answer, (person, quiz, deed)) in answers.iter().zip(all) {
            assert!(answer.status.is_success(), "{answer:?}");
            deeds.note(*person, quiz, *deed);
        }
    }

    /// The stats of a package as a user sees them, once everything has settled.
    pub(super) async fn stats(&self, person: Person<'static>, id: &str) -> Value {
        self.app.settled().await;
        self.stats_now(person, id).await
    }

    /// The current stats of a package as a user sees them.
    pub(super) async fn stats_now(&self, person: Person<'static>, id: &str) -> Value {
        let answer = self.asked(person, &format!("?packageId={id}"), &[]).await;
        assert_eq!((answer.status.as_u16(), &answer.body["unknown"]), (200, &json!([])), "{answer:?}");
        assert_eq!(answer.body["packages"].as_array().map(Vec::len), Some(1), "{answer:?}");
        answer.body["packages"][0].clone()
    }

    /// A package's numbers, when everything has reached it.
    pub(super) async fn numbers(&self, id: &str) -> Numbers {
        numbers(&self.stats(SAM, id).await)
    }

    /// All packages of a creator, by as many pages as it takes.
    pub(super) async fn of_creator(&self, creator: &str, limit: &str) -> Vec<Vec<String>> {
        let ask = async |cursor: &str| self.asked(SAM, &format!("?creatorId={creator}{limit}{cursor}"), &[]).await;
        let pages = pages("packages", ask).await;
        let ids =
            |page: Vec<Value>| page.iter().map(|package| package["packageId"].as_str().unwrap().to_owned()).collect();
        pages.into_iter().map(ids).collect()
    }
}
