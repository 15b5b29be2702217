//! Facts that are erased are counted no more; facts that expire are.

use chrono::TimeDelta;
use system::clock::Clock as _;

use super::api::{Api, NOTHING, Numbers, SAM, SUE, attempt, is_of};

#[tokio::test(flavor = "multi_thread")]
async fn erased_facts_are_not_counted() {
    let api = Api::start().await;
    api.quiz("capitals").await;
    for (person, rating, score) in [(SAM, 5, 4.0), (SUE, 2, 1.0)] {
        api.like(person, "capitals").await;
        api.rate(person, "capitals", 3).await;
        api.rate(person, "capitals", rating).await;
        api.attempt(person, "capitals", &attempt("a", score, 4.0)).await;
    }
    let both = Numbers { attempts: 2, likes: 2, ratings: 2, rating: Some(3.5), score: Some(62.5) };
    assert_eq!(api.numbers("capitals").await, both);

    assert_eq!(api.erase(|fact| is_of(fact, SUE)), 4);
    let sams = Numbers { attempts: 1, likes: 1, ratings: 1, rating: Some(5.0), score: Some(100.0) };
    assert_eq!(api.numbers("capitals").await, sams);
    assert_eq!(api.erase(|fact| is_of(fact, SAM)), 4);
    assert_eq!((api.count(), api.numbers("capitals").await), (0, NOTHING));
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stats_never_go_negative() {
    let api = Api::start().await;
    api.quiz("capitals").await;
    // What takes something back may be counted without it: a moment earlier, or because the other was erased.
    api.like(SAM, "capitals").await;
    api.unlike(SAM, "capitals").await;
    assert_eq!(api.erase(|fact| fact["on"]["BOOL"] == true), 1);
    assert_eq!(api.numbers("capitals").await.likes, 0);

    api.rate(SUE, "capitals", 1).await;
    api.rate(SAM, "capitals", 5).await;
    api.rate(SAM, "capitals", 1).await;
    assert_eq!(api.erase(|fact| fact["rating"]["N"] == "5"), 1);
    let numbers = api.numbers("capitals").await;
    assert_eq!((numbers.ratings, numbers.rating), (1, Some(1.0)));
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stats_survive_expiry_of_facts() {
    let api = Api::start().await;
    api.quiz("capitals").await;
    api.like(SAM, "capitals").await;
    api.rate(SAM, "capitals", 4).await;
    api.attempt(SAM, "capitals", &attempt("a", 1.0, 2.0)).await;
    let first = Numbers { attempts: 1, likes: 1, ratings: 1, rating: Some(4.0), score: Some(50.0) };
    assert_eq!(api.numbers("capitals").await, first);

    // A moment before they expire, not even an erasure has the minute folded again.
    api.clock.set_offset(TimeDelta::days(90) - TimeDelta::minutes(30));
    assert_eq!(api.erase(|fact| fact["kind"]["S"] == "like"), 1);
    assert_eq!(api.numbers("capitals").await, first);

    // DynamoDB deletes what has expired, and the stream contains the deletion.
    api.clock.set_offset(TimeDelta::days(91));
    let sweep = || api.app.cloud.database().sweep_expired(api.clock.now().timestamp()).unwrap();
    // The two facts that are left, and how many attempts of that day count.
    assert_eq!((sweep(), api.count()), (3, 0));
    assert_eq!(api.numbers("capitals").await, first);

    // The states of users still apply: nothing counts twice.
    assert_eq!(api.like(SAM, "capitals").await.body["changed"], false);
    assert_eq!(api.rate(SAM, "capitals", 4).await.body["changed"], false);
    assert_eq!(api.attempt(SAM, "capitals", &attempt("a", 1.0, 2.0)).await.status, 201);
    assert_eq!((api.count(), api.numbers("capitals").await), (0, first));
    assert_eq!(api.rate(SAM, "capitals", 2).await.body["previousRating"], 4);
    api.like(SUE, "capitals").await;
    let second = Numbers { likes: 2, rating: Some(2.0), ..first };
    assert_eq!(api.numbers("capitals").await, second);

    // Minutes go long after their facts; the numbers stay.
    api.clock.set_offset(TimeDelta::days(400));
    assert!(sweep() > 2);
    assert_eq!((api.count(), api.numbers("capitals").await), (0, second));
    api.finish().await;
}
