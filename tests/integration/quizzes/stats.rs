//! What people do to a quiz, and what its numbers are then.

use chrono::TimeDelta;
use domain::time::Time;
use serde_json::{Value, json};
use system::clock::Clock as _;

use super::api::{ANN, Api, EVE, NOTHING, Numbers, ROOT, SAM, SUE, TIM, attempt};
use crate::support::app::Answer;

#[tokio::test(flavor = "multi_thread")]
async fn new_quiz_has_zeros_and_nulls() {
    let api = Api::start().await;
    let body = json!({"title": "Capitals", "description": "Twenty questions\nabout cities"});
    let created = api.put(TIM, "capitals", &[], &body).await;
    assert_eq!(created.status, 201);
    let expected = json!({
        "quizId": "capitals", "creatorId": "tim", "title": "Capitals", "description": "Twenty questions\nabout cities",
    });
    assert_eq!(created.body, expected);
    // Omitted fields are reset.
    let changed = api.put(TIM, "capitals", &[], &json!({"title": "Cities"})).await;
    assert_eq!((changed.status.as_u16(), &changed.body["description"]), (200, &Value::Null));

    let began = Time::from(api.clock.now());
    let stats = api.stats("capitals", &[]).await;
    assert_eq!(Numbers::of(&stats.body), NOTHING);
    let as_of: Time = stats.body["asOf"].as_str().unwrap().parse().unwrap();
    assert!(began <= as_of && as_of <= Time::from(api.clock.now()), "{as_of}");
    let unchanged = api.stats("capitals", &[("if-none-match", stats.header("etag"))]).await;
    assert_eq!(unchanged.status, 304);
    assert_eq!(api.count(), 0);
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn like_counts_until_it_is_undone() {
    let api = Api::start().await;
    api.quiz("capitals").await;
    let likes = async || api.numbers("capitals").await.likes;

    let none = api.unlike(SAM, "capitals").await;
    assert_eq!(none.body, json!({"quizId": "capitals", "liked": false, "changed": false}));
    assert_eq!((api.count(), likes().await), (0, 0));

    let first = api.like(SAM, "capitals").await;
    assert_eq!(first.body, json!({"quizId": "capitals", "liked": true, "changed": true}));
    assert_eq!((api.count(), likes().await), (1, 1));
    let again = api.like(SAM, "capitals").await;
    assert_eq!(again.body, json!({"quizId": "capitals", "liked": true, "changed": false}));
    assert_eq!((api.count(), likes().await), (1, 1));

    // The creator and any other user may like it, too.
    for (other, expected) in [(TIM, 2), (EVE, 3), (ANN, 4), (ROOT, 5)] {
        assert_eq!(api.like(other, "capitals").await.body["changed"], true);
        assert_eq!(likes().await, expected);
    }

    let back = api.unlike(SAM, "capitals").await;
    assert_eq!(back.body, json!({"quizId": "capitals", "liked": false, "changed": true}));
    assert_eq!((api.count(), likes().await), (6, 4));
    let again = api.unlike(SAM, "capitals").await;
    assert_eq!(again.body, json!({"quizId": "capitals", "liked": false, "changed": false}));
    assert_eq!((api.count(), likes().await), (6, 4));
    assert_eq!(api.like(SAM, "capitals").await.body["changed"], true);
    assert_eq!((api.count(), likes().await), (7, 5));

    // Another quiz is another matter.
    api.quiz("rivers").await;
    assert_eq!(api.like(SAM, "rivers").await.body["changed"], true);
    assert_eq!((api.numbers("rivers").await.likes, likes().await), (1, 5));
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rating_replaces_old_one() {
    let api = Api::start().await;
    api.quiz("capitals").await;
    let ratings = async || {
        let numbers = api.numbers("capitals").await;
        (numbers.ratings, numbers.rating)
    };
    let first = api.rate(SAM, "capitals", 4).await;
    assert_eq!(first.body, json!({"quizId": "capitals", "rating": 4, "previousRating": null, "changed": true}));
    assert_eq!((api.count(), ratings().await), (1, (1, Some(4.0))));
    let second = api.rate(SAM, "capitals", 2).await;
    assert_eq!(second.body, json!({"quizId": "capitals", "rating": 2, "previousRating": 4, "changed": true}));
    assert_eq!((api.count(), ratings().await), (2, (1, Some(2.0))));
    let again = api.rate(SAM, "capitals", 2).await;
    assert_eq!(again.body, json!({"quizId": "capitals", "rating": 2, "previousRating": 2, "changed": false}));
    assert_eq!((api.count(), ratings().await), (2, (1, Some(2.0))));

    assert_eq!(api.rate(SUE, "capitals", 5).await.body["previousRating"], Value::Null);
    assert_eq!(ratings().await, (2, Some(3.5)));
    assert_eq!(api.rate(SAM, "capitals", 1).await.body["previousRating"], 2);
    assert_eq!(ratings().await, (2, Some(3.0)));
    // Back to what it was once.
    assert_eq!(api.rate(SAM, "capitals", 4).await.body["previousRating"], 1);
    assert_eq!(ratings().await, (2, Some(4.5)));
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_attempt_counts_once() {
    let api = Api::start().await;
    api.quiz("capitals").await;
    let attempts = async || {
        let numbers = api.numbers("capitals").await;
        (numbers.attempts, numbers.score)
    };
    let report = json!({"attemptId": "a", "score": 7.5, "maxScore": 10, "durationSeconds": 61.25});
    let first = api.attempt(SAM, "capitals", &report).await;
    assert_eq!(first.status, 201);
    let Value::Object(mut fields) = first.body.clone() else { panic!("{first:?}") };
    let at: Time = fields.remove("attemptedAt").unwrap().as_str().unwrap().parse().unwrap();
    assert!(at <= Time::from(api.clock.now()));
    let expected = json!({
        "quizId": "capitals", "attemptId": "a", "score": 7.5, "maxScore": 10, "scorePercent": 75.0,
        "durationSeconds": 61.25, "countsForAverage": true,
    });
    assert_eq!(Value::Object(fields), expected);
    assert_eq!((api.count(), attempts().await), (1, (1, Some(75.0))));

    // The same again, later.
    api.clock.set_offset(TimeDelta::minutes(7));
    let again = api.attempt(SAM, "capitals", &report).await;
    assert_eq!((again.status.as_u16(), &again.body), (201, &first.body));
    assert_eq!((api.count(), attempts().await), (1, (1, Some(75.0))));

    // A different body under the same id is rejected, whatever the difference.
    for other in [
        json!({"attemptId": "a", "score": 8, "maxScore": 10, "durationSeconds": 61.25}),
        json!({"attemptId": "a", "score": 7.5, "maxScore": 11, "durationSeconds": 61.25}),
        json!({"attemptId": "a", "score": 7.5, "maxScore": 10, "durationSeconds": 61}),
        json!({"attemptId": "a", "score": 7.5, "maxScore": 10}),
    ] {
        let refused = api.attempt(SAM, "capitals", &other).await;
        assert_eq!(refused.is_problem(409)["detail"], "attempt a already exists with different content", "{other}");
    }
    assert_eq!((api.count(), attempts().await), (1, (1, Some(75.0))));

    // An id is that of one person at one quiz.
    let other = api.attempt(SUE, "capitals", &attempt("a", 5.0, 10.0)).await;
    assert_eq!((other.status.as_u16(), &other.body["durationSeconds"]), (201, &Value::Null));
    assert_eq!((api.count(), attempts().await), (2, (2, Some(62.5))));
    api.quiz("rivers").await;
    assert_eq!(api.attempt(SAM, "rivers", &report).await.status, 201);
    assert_eq!((api.count(), attempts().await), (3, (2, Some(62.5))));
    assert_eq!(api.numbers("rivers").await.score, Some(75.0));
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn average_score_weighs_every_attempt_equally() {
    let api = Api::start().await;
    api.quiz("capitals").await;
    // Each attempt has the same weight, whatever its user and its maximum score.
    for (person, id, score, max, percent, average) in [
        (SAM, "a", 0.0, 20.0, 0.0, 0.0),
        (SAM, "b", 90.0, 100.0, 90.0, 45.0),
        (SAM, "c", 3.0, 4.0, 75.0, 55.0),
        (SUE, "a", 1_000_000_000.0, 1_000_000_000.0, 100.0, 66.25),
    ] {
        let recorded = api.attempt(person, "capitals", &attempt(id, score, max)).await;
        assert_eq!(recorded.body["scorePercent"], percent);
        assert_eq!(api.numbers("capitals").await.score, Some(average));
    }
    // Thirds are kept to the millionth of a percent.
    let third = api.attempt(SUE, "capitals", &attempt("third", 1.0, 3.0)).await;
    assert_eq!(third.body["scorePercent"], 33.333_333);
    let numbers = api.numbers("capitals").await;
    assert_eq!((numbers.attempts, numbers.score), (5, Some(59.666_666_6)));
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stats_are_exact_despite_clock_skew() {
    let api = Api::start().await;
    api.quiz("capitals").await;
    // Minutes and hours apart, and back: the clocks of two functions need not agree.
    for (minutes, rating) in [(0, 5), (1, 1), (70, 4), (3, 2), (0, 3)] {
        api.clock.set_offset(TimeDelta::minutes(minutes));
        assert_eq!(api.like(SAM, "capitals").await.body["changed"], true);
        assert_eq!(api.rate(SAM, "capitals", rating).await.body["changed"], true);
        let recorded = api.attempt(SAM, "capitals", &attempt(&format!("a{rating}"), 1.0, 2.0)).await;
        assert_eq!(recorded.status, 201);
        api.clock.set_offset(TimeDelta::minutes(minutes - 65));
        assert_eq!(api.unlike(SAM, "capitals").await.body["changed"], true);
    }
    let expected = Numbers { attempts: 5, likes: 0, ratings: 1, rating: Some(3.0), score: Some(50.0) };
    assert_eq!((api.count(), api.numbers("capitals").await), (20, expected));
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stats_have_etag_and_as_of() {
    let api = Api::start().await;
    api.quiz("capitals").await;
    let empty = api.stats("capitals", &[]).await;
    api.like(SAM, "capitals").await;
    api.app.settled().await;
    let liked = api.stats("capitals", &[]).await;
    assert_eq!(liked.header("cache-control"), "no-cache");
    assert_ne!(liked.header("etag"), empty.header("etag"));
    let as_of = |answer: &Answer| answer.body["asOf"].as_str().unwrap().parse::<Time>().unwrap();
    assert!(as_of(&empty) <= as_of(&liked));

    let tag = liked.header("etag");
    for held in [tag.to_owned(), format!("\"x\", {}", tag.trim_start_matches("W/")), "*".to_owned()] {
        let unchanged = api.stats("capitals", &[("if-none-match", &held)]).await;
        assert_eq!((unchanged.status.as_u16(), unchanged.header("etag")), (304, tag), "{held}");
    }
    // Without a change the stats stay valid up to the same time.
    api.clock.set_offset(TimeDelta::hours(3));
    let later = api.stats("capitals", &[("if-none-match", empty.header("etag"))]).await;
    assert_eq!((later.status.as_u16(), &later.body), (200, &liked.body));

    // Something happens that leaves the numbers as they are: the tag stays.
    api.like(SUE, "capitals").await;
    api.unlike(SUE, "capitals").await;
    assert_eq!(api.numbers("capitals").await.likes, 1);
    assert_eq!(api.stats("capitals", &[("if-none-match", tag)]).await.status, 304);
    // A change makes the stored ETag stale.
    api.rate(SUE, "capitals", 5).await;
    api.app.settled().await;
    let rated = api.stats("capitals", &[("if-none-match", tag)]).await;
    assert_eq!((rated.status.as_u16(), &rated.body["averageRating"]), (200, &json!(5.0)));
    assert_ne!(rated.header("etag"), tag);
    assert!(as_of(&rated).since(as_of(&liked)) >= TimeDelta::hours(3));
    api.finish().await;
}
