//! Packages that are described wrongly, and what else no package can be made of.

use http::Method;
use serde_json::{Value, json};

use super::api::{Api, PACKAGE, PACKAGES, SAM, TIM, described, named, names};
use crate::support::items::with;

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_fields() {
    let api = Api::start().await;
    api.quizzes(&["q", "r"]).await;
    api.made("p", &["q"]).await;
    api.app.settled().await;
    let written = ["StateTable", "StatsTable"].map(|table| api.app.items(table));
    let long = names("q", 0..501);
    for (patch, field) in [
        (json!({"title": null}), "title"),
        (json!({"title": " "}), "title"),
        (json!({"title": 7}), "title"),
        (json!({"title": "a\u{0}b"}), "title"),
        (json!({"title": "x".repeat(301)}), "title"),
        (json!({"description": "x".repeat(1_001)}), "description"),
        (json!({"description": ["a"]}), "description"),
        (json!({"price": null}), "price"),
        (json!({"price": -1}), "price"),
        (json!({"price": 4.99}), "price"),
        (json!({"price": 5.0}), "price"),
        (json!({"price": "500"}), "price"),
        (json!({"price": 1e18}), "price"),
        (json!({"price": 1_000_000_000_001_u64}), "price"),
        (json!({"price": [500]}), "price"),
        (json!({"currency": null}), "currency"),
        (json!({"currency": "inr"}), "currency"),
        (json!({"currency": "XXX"}), "currency"),
        (json!({"currency": "RUPEES"}), "currency"),
        (json!({"currency": 356}), "currency"),
        (json!({"quizIds": "q"}), "quizIds"),
        (json!({"quizIds": {"q": 1}}), "quizIds"),
        (json!({"quizIds": ["q", 7]}), "quizIds"),
        (json!({"quizIds": ["q", "a b"]}), "quizIds"),
        (json!({"quizIds": ["q", "r", "q"]}), "quizIds"),
        (json!({"quizIds": long}), "quizIds"),
        (json!({"quizIds": ["q", "nobody"]}), "quizIds"),
    ] {
        for answer in [
            api.post(TIM, &with(&named("new", &["q"]), &patch)).await,
            api.put(TIM, "p", &[], &with(&described(&["q"]), &patch)).await,
        ] {
            let errors = answer.is_problem(422)["errors"].as_array().unwrap();
            let fields: Vec<&Value> = errors.iter().map(|error| &error["field"]).collect();
            assert_eq!(fields, [field], "{patch}");
        }
    }
    for (patch, field) in [
        (json!({"packageId": "stats"}), "packageId"),
        (json!({"packageId": "a b"}), "packageId"),
        (json!({"packageId": "x".repeat(65)}), "packageId"),
        (json!({"packageId": 7}), "packageId"),
        (json!({"creatorId": "a#b"}), "creatorId"),
    ] {
        let answer = api.post(TIM, &with(&named("new", &["q"]), &patch)).await;
        assert_eq!(answer.is_problem(422)["errors"][0]["field"], field, "{patch}");
    }
    // All errors are reported together.
    let wrong = json!({"packageId": "stats", "title": "", "price": 1.5, "currency": "x", "quizIds": ["q", "q"]});
    let answer = api.post(TIM, &wrong).await;
    assert_eq!(answer.is_problem(422)["errors"].as_array().unwrap().len(), 5, "{answer:?}");
    for id in ["a%20b", "a%23b", "a%00b", &"x".repeat(65)] {
        for answer in
            [api.put(TIM, id, &[], &described(&["q"])).await, api.delete(TIM, id, &[]).await, api.get(id).await]
        {
            assert_eq!(answer.is_problem(422)["errors"][0]["field"], "packageId", "{id}");
        }
    }
    assert_eq!(["StateTable", "StatsTable"].map(|table| api.app.items(table)), written);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_position_of_unknown_quizzes() {
    let api = Api::start().await;
    api.quizzes(&["q", "r"]).await;
    api.made("p", &["q"]).await;
    let quizzes = ["q", "no", "r", "never"];
    for answer in [api.post(TIM, &named("new", &quizzes)).await, api.put(TIM, "p", &[], &described(&quizzes)).await] {
        let expected = json!([
            {"field": "quizIds", "reason": "item 1 names quiz no, which does not exist"},
            {"field": "quizIds", "reason": "item 3 names quiz never, which does not exist"},
        ]);
        assert_eq!(answer.is_problem(422)["errors"], expected);
    }
    // Of very many, the first few.
    let answer = api.post(TIM, &named("new", &names("n", 0..500))).await;
    let errors = answer.is_problem(422)["errors"].as_array().unwrap();
    assert_eq!((errors.len(), &errors[9]["reason"]), (10, &json!("item 9 names quiz n009, which does not exist")));
    api.get("new").await.is_problem(404);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_malformed_bodies() {
    let api = Api::start().await;
    api.made::<&str>("p", &[]).await;
    let huge = with(&described::<&str>(&[]), &json!({"title": "x".repeat(70_000)})).to_string();
    let fine = described::<&str>(&[]).to_string();
    for (route, of) in [((Method::POST, PACKAGES), ""), ((Method::PUT, PACKAGE), "p")] {
        for body in ["", "{", "\u{0}", "{\"title\": \"\\ud800\"}"] {
            api.call(route.clone(), of, TIM, &[], body).await.is_problem(400);
        }
        for body in ["null", "[]", "7", "\"Algebra\""] {
            let answer = api.call(route.clone(), of, TIM, &[], body).await;
            assert_eq!(answer.is_problem(422)["errors"][0]["field"], "body", "{body}");
        }
        api.call(route.clone(), of, TIM, &[], huge.clone()).await.is_problem(413);
        let token = api.token(TIM);
        let as_text = [("content-type", "text/plain"), ("authorization", token.as_str())];
        let path = if of.is_empty() { PACKAGES.to_owned() } else { format!("{PACKAGES}/{of}") };
        api.app.send(route.0, &path, &as_text, fine.clone()).await.is_problem(415);
    }
    // The longest valid package fits into the maximum body.
    let longest: Vec<String> = (0..500).map(|number| format!("{number:x>64}")).collect();
    api.quizzes(&longest).await;
    let mut body = named(&"p".repeat(64), &longest);
    body["title"] = json!("\u{1f30d}".repeat(300));
    body["description"] = json!("\u{1f30d}".repeat(1_000));
    let made = api.post(TIM, &body).await;
    assert_eq!((made.status.as_u16(), &made.body["quizIds"]), (201, &json!(longest)));
    assert_eq!(api.stats(SAM, &"p".repeat(64)).await["totalLikes"], 0);
    api.app.finish().await;
}
