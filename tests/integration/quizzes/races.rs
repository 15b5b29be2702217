//! Many at once.

use futures::future::join_all;
use serde_json::{Value, json};

use super::api::{Api, CLASS, Numbers, SAM, attempt};
use crate::support::items::key;

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_of_user_form_one_sequence() {
    let api = Api::start().await;
    api.quiz("capitals").await;
    let likes = join_all((0..32).map(|_| api.like(SAM, "capitals"))).await;
    assert!(likes.iter().all(|answer| answer.body["liked"] == true), "{likes:?}");
    assert_eq!(likes.iter().filter(|answer| answer.body["changed"] == true).count(), 1);
    assert_eq!((api.count(), api.numbers("capitals").await.likes), (1, 1));

    // Each change reports the rating it replaced: together they form one sequence.
    let rated = join_all((0..32).map(|n| api.rate(SAM, "capitals", n % 5 + 1))).await;
    assert!(rated.iter().all(|answer| answer.status == 200), "{rated:?}");
    let changes: Vec<&Value> = rated.iter().map(|answer| &answer.body).filter(|body| body["changed"] == true).collect();
    assert_eq!(api.count(), 1 + u64::try_from(changes.len()).unwrap());
    let first = changes.iter().filter(|body| body["previousRating"].is_null()).count();
    assert_eq!(first, 1, "{changes:?}");
    let get = json!({"Key": key("ACTOR#u:sam", "RATING#QUIZ#capitals"), "ConsistentRead": true});
    let stored = api.app.database("GetItem", "StateTable", get);
    let stored: u32 = stored["Item"]["rating"]["N"].as_str().unwrap().parse().unwrap();
    let numbers = api.numbers("capitals").await;
    assert_eq!((numbers.ratings, numbers.rating), (1, Some(f64::from(stored))));
    assert_eq!(api.rate(SAM, "capitals", stored.into()).await.body["changed"], false);

    // One of them records the attempt, and all are answered what it recorded.
    let before = api.count();
    let report = attempt("a", 3.0, 4.0);
    let sent = join_all((0..32).map(|_| api.attempt(SAM, "capitals", &report))).await;
    assert!(sent.iter().all(|answer| answer.status == 201 && answer.body == sent[0].body), "{sent:?}");
    assert_eq!(api.count(), before + 1);
    let expected = Numbers { attempts: 1, likes: 1, ratings: 1, rating: Some(f64::from(stored)), score: Some(75.0) };
    assert_eq!(api.numbers("capitals").await, expected);

    // Of different attempts with the same id, one is recorded.
    let reports: Vec<Value> = (0..32_u8).map(|n| attempt("b", f64::from(n % 4), 4.0)).collect();
    let sent = join_all(reports.iter().map(|report| api.attempt(SAM, "capitals", report))).await;
    let count = |status: u16| sent.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(409)), (8, 24));
    assert_eq!((api.count(), api.numbers("capitals").await.attempts), (before + 2, 2));
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_users_are_all_counted() {
    let api = Api::start().await;
    api.quiz("capitals").await;
    // Most of it in the same minute, and so in the same bucket.
    let attempts = [attempt("a", 0.0, 4.0), attempt("b", 1.0, 4.0), attempt("c", 2.0, 4.0)];
    let all = CLASS.map(|person| {
        let (api, attempts) = (&api, &attempts);
        async move {
            let attempts = join_all(attempts.iter().map(|report| api.attempt(person, "capitals", report)));
            let (liked, rated, attempted) =
                futures::join!(api.like(person, "capitals"), api.rate(person, "capitals", 4), attempts);
            assert_eq!((&liked.body["changed"], &rated.body["changed"]), (&json!(true), &json!(true)));
            assert!(attempted.iter().all(|answer| answer.status == 201), "{attempted:?}");
        }
    });
    join_all(all).await;
    let expected = Numbers { attempts: 24, likes: 8, ratings: 8, rating: Some(4.0), score: Some(25.0) };
    assert_eq!((api.count(), api.numbers("capitals").await), (40, expected));
    api.finish().await;
}
