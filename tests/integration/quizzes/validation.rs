//! Bodies and ids that are wrong: a clear problem, nothing written.

use http::Method;
use serde_json::{Value, json};

use super::api::{ATTEMPT, Api, JSON, LIKE, QUIZ, RATE, ROOT, SAM, STATS, TIM, attempt};

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_fields() {
    let api = Api::start().await;
    api.quiz("capitals").await;
    let written = api.app.items("StateTable");
    for (body, field) in [
        (json!([]), "body"),
        (json!(null), "body"),
        (json!({}), "title"),
        (json!({"title": " "}), "title"),
        (json!({"title": 7}), "title"),
        (json!({"title": "a\u{0}b"}), "title"),
        (json!({"title": "x".repeat(301)}), "title"),
        (json!({"title": "a", "description": {}}), "description"),
        (json!({"title": "a", "description": "\u{1b}[2J"}), "description"),
        (json!({"title": "a", "description": "é".repeat(1_001)}), "description"),
        (json!({"title": "a", "creatorId": "a b"}), "creatorId"),
        (json!({"title": "a", "creatorId": "tim#DOC"}), "creatorId"),
        (json!({"title": "a", "creatorId": 7}), "creatorId"),
        (json!({"title": "a", "creatorId": "x".repeat(65)}), "creatorId"),
    ] {
        let answer = api.put(TIM, "new", &[], &body).await;
        assert_eq!(answer.is_problem(422)["errors"][0]["field"], field, "{body:.80}");
    }
    let rating = |rating: Value| json!({"rating": rating});
    for (body, field) in [
        (json!(5), "body"),
        (json!([5]), "body"),
        (json!({}), "rating"),
        (rating(json!(null)), "rating"),
        (rating(json!(0)), "rating"),
        (rating(json!(6)), "rating"),
        (rating(json!(-1)), "rating"),
        (rating(json!(256)), "rating"),
        (rating(json!(18_446_744_073_709_551_615_u64)), "rating"),
        (rating(json!(3.5)), "rating"),
        (rating(json!(4.0)), "rating"),
        (rating(json!("5")), "rating"),
        (rating(json!(true)), "rating"),
        (rating(json!([5])), "rating"),
    ] {
        let answer = api.post(SAM, RATE, "capitals", body.to_string()).await;
        assert_eq!(answer.is_problem(422)["errors"][0]["field"], field, "{body}");
    }
    let patched = |field: &str, value: Value| {
        let mut body = json!({"attemptId": "a", "score": 5, "maxScore": 10, "durationSeconds": 60});
        body[field] = value;
        (body, field.to_owned())
    };
    let mut wrong = vec![(json!(null), "body".to_owned()), (json!("a"), "body".to_owned())];
    for id in [json!(null), json!(""), json!(7), json!("a b"), json!("a#b"), json!("a\u{0}"), json!("x".repeat(65))] {
        wrong.push(patched("attemptId", id));
    }
    for score in
        [json!(null), json!(10.5), json!(-1), json!(-0.001), json!("NaN"), json!("5"), json!(1e300), json!([5])]
    {
        wrong.push(patched("score", score));
    }
    // More than nothing must be left of it, to the thousandth.
    for max in [json!(null), json!(0), json!(0.0004), json!(-10), json!("10"), json!(1_000_000_001), json!({})] {
        wrong.push(patched("maxScore", max));
    }
    for duration in [json!(-1), json!(-0.5), json!("60"), json!(604_801), json!(true)] {
        wrong.push(patched("durationSeconds", duration));
    }
    for (body, field) in wrong {
        let answer = api.attempt(SAM, "capitals", &body).await;
        assert_eq!(answer.is_problem(422)["errors"][0]["field"], field, "{body:.80}");
    }
    for missing in ["attemptId", "score", "maxScore"] {
        let (mut body, _) = patched("attemptId", json!("a"));
        body.as_object_mut().unwrap().remove(missing);
        let answer = api.attempt(SAM, "capitals", &body).await;
        assert_eq!(answer.is_problem(422)["errors"][0]["field"], missing);
    }
    // All that is wrong is named at once.
    let many = api.attempt(SAM, "capitals", &json!({"score": -1, "maxScore": "x", "durationSeconds": -1})).await;
    let named: Vec<&Value> = many.is_problem(422)["errors"].as_array().unwrap().iter().map(|e| &e["field"]).collect();
    assert_eq!(named, ["attemptId", "score", "maxScore", "durationSeconds"]);

    let huge = "x".repeat(40_000);
    api.put(TIM, "new", &[], &json!({"title": huge})).await.is_problem(413);
    api.post(SAM, RATE, "capitals", json!({"rating": 5, "why": huge}).to_string()).await.is_problem(413);
    api.attempt(SAM, "capitals", &json!({"attemptId": huge})).await.is_problem(413);
    let token = api.token(ROOT);
    for (method, route) in [(Method::PUT, QUIZ), (Method::POST, RATE), (Method::POST, ATTEMPT)] {
        for body in [
            "",
            "{",
            "\u{0}",
            "{\"title\": \"\\ud800\"}",
            "{\"rating\": NaN}",
            "{\"attemptId\": \"a\", \"score\": NaN, \"maxScore\": 10}",
            "{\"attemptId\": \"a\", \"score\": 1, \"maxScore\": Infinity}",
            "{\"attemptId\": \"a\", \"score\": 1e999, \"maxScore\": 10}",
        ] {
            let headers = [JSON, ("authorization", token.as_str())];
            api.send((method.clone(), route), "capitals", &headers, body).await.is_problem(400);
        }
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/xml", "nonsense"] {
            let headers = [("content-type", content_type), ("authorization", token.as_str())];
            api.send((method.clone(), route), "capitals", &headers, "{}").await.is_problem(415);
        }
    }
    assert_eq!((api.app.items("StateTable"), api.count()), (written, 0));
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_ids() {
    let api = Api::start().await;
    let token = api.token(ROOT);
    let (title, rating, attempt) = (json!({"title": "a"}), json!({"rating": 5}), attempt("a", 1.0, 1.0));
    for id in ["a%00b", "a%20b", "a%23b", "a%2Fb", "%2e%2e%2f", "caf%C3%A9", &"x".repeat(65), &"x".repeat(8_000)] {
        for (method, route, body) in [
            (Method::PUT, QUIZ, title.to_string()),
            (Method::POST, LIKE, String::new()),
            (Method::DELETE, LIKE, String::new()),
            (Method::POST, RATE, rating.to_string()),
            (Method::POST, ATTEMPT, attempt.to_string()),
            (Method::GET, STATS, String::new()),
        ] {
            let answer = api.send((method.clone(), route), id, &[JSON, ("authorization", &token)], body).await;
            let field = &answer.is_problem(422)["errors"][0]["field"];
            assert_eq!(field, "quizId", "{method} {route} of {id:.80}");
        }
    }
    // Every character that an id may have, up to its greatest length.
    for id in ["A-z_0.9:x", &"x".repeat(64)] {
        api.quiz(id).await;
        let attempt = json!({"attemptId": id, "score": 1, "maxScore": 1});
        assert_eq!(api.attempt(SAM, id, &attempt).await.status, 201);
        assert_eq!(api.numbers(id).await.attempts, 1);
    }
    api.finish().await;
}
