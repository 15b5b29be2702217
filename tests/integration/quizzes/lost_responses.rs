//! Answers that are lost, and outages: everything is counted once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::Method;
use local::wire::Fault;
use serde_json::{Value, json};

use super::api::{ATTEMPT, Api, CLASS, JSON, LIKE, NOTHING, Numbers, Person, QUIZ, RATE, SAM, TIM, attempt};
use crate::support::faults::{LOST, lost_answers, outage};

/// A cloud that loses the answers to some transactions of one function, and the number of these transactions.
async fn losing(fault: Fault, function: &'static str, in_a_row: u32) -> (Api, Arc<AtomicU32>) {
    let (faults, transactions) = lost_answers(fault, function, "TransactWriteItems", in_a_row);
    let api = Api::start_with(faults).await;
    api.quiz("capitals").await;
    (api, transactions)
}

#[tokio::test(flavor = "multi_thread")]
async fn like_with_lost_response_counts_once() {
    for (fault, in_a_row) in LOST {
        let (api, transactions) = losing(fault, "LikeQuizFunction", in_a_row).await;
        for (liked, count) in [(true, 1), (false, 2), (true, 3)] {
            let answer = if liked { api.like(SAM, "capitals").await } else { api.unlike(SAM, "capitals").await };
            assert_eq!((answer.status.as_u16(), &answer.body["liked"]), (200, &json!(liked)));
            assert_eq!((api.count(), api.numbers("capitals").await.likes), (count, u64::from(liked)), "{fault:?}");
        }
        assert_eq!(api.like(SAM, "capitals").await.body["changed"], false);
        assert_eq!(api.count(), 3);
        assert!(transactions.load(Ordering::Relaxed) > 3, "no answer was lost");
        api.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rating_with_lost_response_counts_once() {
    for (fault, in_a_row) in LOST {
        let (api, transactions) = losing(fault, "RateQuizFunction", in_a_row).await;
        for (rating, count) in [(4, 1), (2, 2), (5, 3), (5, 3)] {
            let answer = api.rate(SAM, "capitals", rating).await;
            assert_eq!((answer.status.as_u16(), &answer.body["rating"]), (200, &json!(rating)));
            let (numbers, rating) = (api.numbers("capitals").await, answer.body["rating"].as_f64());
            assert_eq!((api.count(), numbers.ratings, numbers.rating), (count, 1, rating), "{fault:?}");
        }
        assert!(transactions.load(Ordering::Relaxed) > 3, "no answer was lost");
        api.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attempt_with_lost_response_counts_once() {
    for (fault, in_a_row) in LOST {
        let (api, transactions) = losing(fault, "RecordQuizAttemptFunction", in_a_row).await;
        for (id, score, count, average) in [("a", 1.0, 1, 25.0), ("b", 3.0, 2, 50.0), ("c", 2.0, 3, 50.0)] {
            let first = api.attempt(SAM, "capitals", &attempt(id, score, 4.0)).await;
            assert!(first.status.is_success(), "{first:?}");
            let again = api.attempt(SAM, "capitals", &attempt(id, score, 4.0)).await;
            assert_eq!((again.status.as_u16(), &again.body), (201, &first.body));
            api.attempt(SAM, "capitals", &attempt(id, 4.0, 4.0)).await.is_problem(409);
            let expected = Numbers { attempts: count, score: Some(average), ..NOTHING };
            assert_eq!((api.count(), api.numbers("capitals").await), (count, expected), "{fault:?}");
        }
        assert!(transactions.load(Ordering::Relaxed) > 3, "no answer was lost");
        api.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stats_update_with_lost_response_applies_once() {
    for (fault, in_a_row) in LOST {
        let (api, transactions) = losing(fault, "PackageStatsUpdaterFunction", in_a_row).await;
        for (person, count) in CLASS.into_iter().zip(1..) {
            api.like(person, "capitals").await;
            api.rate(person, "capitals", 3).await;
            api.attempt(person, "capitals", &attempt("a", 1.0, 4.0)).await;
            let expected =
                Numbers { attempts: count, likes: count, ratings: count, rating: Some(3.0), score: Some(25.0) };
            assert_eq!(api.numbers("capitals").await, expected, "{fault:?}");
        }
        assert!(transactions.load(Ordering::Relaxed) > 8, "no answer was lost");
        api.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outage_loses_and_duplicates_nothing() {
    // Both the functions that serve quizzes and those that fold them are affected.
    let (faults, calls) = outage();
    let api = Api::start_with(faults).await;
    let insist = async |person: Person<'static>, method: Method, route: &str, body: Value| loop {
        let token = api.token(person);
        let headers = [JSON, ("authorization", token.as_str())];
        let answer = api.send((method.clone(), route), "capitals", &headers, body.to_string()).await;
        if answer.status.is_success() {
            break answer;
        }
        answer.is_problem(503);
    };
    insist(TIM, Method::PUT, QUIZ, json!({"title": "Capitals"})).await;
    for (n, person) in CLASS.into_iter().enumerate() {
        insist(person, Method::POST, LIKE, json!({})).await;
        insist(person, Method::POST, RATE, json!({"rating": 4})).await;
        insist(person, Method::POST, RATE, json!({"rating": 2})).await;
        let recorded = insist(person, Method::POST, ATTEMPT, attempt("a", 3.0, 4.0)).await;
        assert_eq!(insist(person, Method::POST, ATTEMPT, attempt("a", 3.0, 4.0)).await.body, recorded.body);
        if n % 2 == 0 {
            insist(person, Method::DELETE, LIKE, json!({})).await;
        }
    }
    assert!(calls.load(Ordering::Relaxed) > 100);
    assert_eq!(api.count(), 8 * 4 + 4);
    api.app.settled().await;
    let stats = loop {
        let answer = api.stats("capitals", &[]).await;
        if answer.status == 200 {
            break answer;
        }
        answer.is_problem(503);
    };
    let expected = Numbers { attempts: 8, likes: 4, ratings: 8, rating: Some(2.0), score: Some(75.0) };
    assert_eq!(Numbers::of(&stats.body), expected);
    api.finish().await;
}
