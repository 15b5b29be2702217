//! What happens to a quiz is seen in all packages that hold it, each deed once.

use serde_json::json;

use super::api::Deed::{Attempt, Like, Rate, Unlike};
use super::api::{ANN, Api, Deeds, EVE, KAI, Numbers, ROOT, SAM, SUE, TIM, named};

/// Packages: three hold "q", alone or with others; one does not.
const HOLDING: [(&str, &[&str]); 4] =
    [("alone", &["q"]), ("first", &["q", "r"]), ("last", &["s", "r", "q"]), ("without", &["r", "s"])];

async fn start() -> Api {
    let api = Api::start().await;
    api.quizzes(&["q", "r", "s"]).await;
    for (id, quizzes) in HOLDING {
        api.made(id, quizzes).await;
    }
    api
}

/// Asserts that every package has the numbers of its quizzes.
async fn all_are_right(api: &Api, deeds: &Deeds) {
    for (id, quizzes) in HOLDING {
        assert_eq!(api.numbers(id).await, deeds.of(quizzes), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn like_counts_in_every_package_of_quiz() {
    let api = start().await;
    let likes = async || {
        let mut likes = Vec::new();
        for (id, _) in HOLDING {
            likes.push(api.numbers(id).await.likes);
        }
        likes
    };
    let liked = api.tries(SAM, "q", Like).await;
    assert_eq!((liked.status.as_u16(), &liked.body["changed"]), (200, &json!(true)));
    assert_eq!(likes().await, [1, 1, 1, 0]);
    let again = api.tries(SAM, "q", Like).await;
    assert_eq!((again.status.as_u16(), &again.body["changed"]), (200, &json!(false)));
    assert_eq!(likes().await, [1, 1, 1, 0], "a second like of the same person is none");
    api.tries(TIM, "q", Like).await;
    api.tries(SAM, "r", Like).await;
    assert_eq!(likes().await, [2, 3, 3, 1]);
    for _ in 0..2 {
        assert_eq!(api.tries(SAM, "q", Unlike).await.body["liked"], false);
        assert_eq!(likes().await, [1, 2, 2, 1], "a like is taken back once");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_rating_changes_average_but_not_count() {
    let api = start().await;
    for (rating, previous) in [(4, json!(null)), (2, json!(4)), (2, json!(2))] {
        assert_eq!(api.tries(SAM, "q", Rate(rating)).await.body["previousRating"], previous);
        let expected = Numbers { ratings: 1, rating: Some(rating as f64), ..Numbers::default() };
        for id in ["alone", "first", "last"] {
            assert_eq!(api.numbers(id).await, expected, "{id}");
        }
        assert_eq!(api.numbers("without").await, Numbers::default());
    }
    api.tries(SUE, "q", Rate(5)).await;
    let expected = Numbers { ratings: 2, rating: Some(3.5), ..Numbers::default() };
    assert_eq!(api.numbers("alone").await, expected);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_attempt_counts_once() {
    let api = start().await;
    let first = api.tries(SAM, "q", Attempt(1, 6)).await;
    let again = api.tries(SAM, "q", Attempt(1, 6)).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    assert_eq!(first.body, again.body);
    api.tries(SAM, "q", Attempt(1, 8)).await.is_problem(409);
    let once = Numbers { attempts: 1, score: Some(75.0), ..Numbers::default() };
    for id in ["alone", "first", "last"] {
        assert_eq!(api.numbers(id).await, once, "{id}");
    }
    // Another attempt of the same user, and one with the same id of another user.
    assert_eq!(api.tries(SAM, "q", Attempt(2, 0)).await.status, 201);
    assert_eq!(api.tries(SUE, "q", Attempt(1, 6)).await.status, 201);
    let thrice = Numbers { attempts: 3, score: Some(50.0), ..Numbers::default() };
    assert_eq!(api.numbers("alone").await, thrice);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn averages_weigh_every_rating_and_attempt_equally() {
    let api = start().await;
    let mut deeds = Deeds::default();
    let everybody = [SAM, SUE, KAI, TIM, EVE, ANN, ROOT];
    for person in everybody {
        api.does(&mut deeds, person, "q", Rate(5)).await;
        api.does(&mut deeds, person, "q", Attempt(1, 8)).await;
    }
    api.does(&mut deeds, SAM, "r", Rate(1)).await;
    api.does(&mut deeds, SAM, "r", Attempt(1, 0)).await;
    // Seven of 5 and one of 1; the mean of the quizzes' averages would be 3.
    let first = api.numbers("first").await;
    assert_eq!((first.rating, first.score), (Some(4.5), Some(87.5)));
    all_are_right(&api, &deeds).await;
    api.does(&mut deeds, SUE, "s", Rate(3)).await;
    api.does(&mut deeds, KAI, "s", Attempt(1, 3)).await;
    api.does(&mut deeds, KAI, "s", Like).await;
    all_are_right(&api, &deeds).await;
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_package_has_zeros_and_nulls() {
    let api = Api::start().await;
    api.quizzes(&["q"]).await;
    let all = ["empty", "still"];
    for (id, quizzes) in all.iter().zip([&[] as &[&str], &["q"]]) {
        api.made(id, quizzes).await;
        for person in [SAM, TIM] {
            let mut stats = api.stats(person, id).await;
            let fields = stats.as_object_mut().unwrap();
            assert!(fields.remove("asOf").is_some_and(|as_of| as_of.is_string()));
            let mut expected = json!({
                "packageId": id, "creatorId": "tim", "totalAttempts": 0, "totalLikes": 0, "totalRatings": 0,
                "averageRating": null, "averageScore": null,
            });
            if person == TIM {
                expected["earnings"] = json!(0);
                expected["currency"] = json!("INR");
                expected["earningsByCurrency"] = json!({});
            }
            assert_eq!(stats, expected);
        }
    }
    // A list that is left out is empty.
    let mut body = named("listless", &["q"]);
    body.as_object_mut().unwrap().remove("quizIds");
    assert_eq!(api.post(TIM, &body).await.body["quizIds"], json!([]));
    assert_eq!(api.numbers("listless").await, Numbers::default());
    api.app.finish().await;
}
