//! What people and authors do, through the functions themselves.

use std::sync::Arc;

use local::wire::Faults;
use runtime::function::Function;
use serde_json::{Value, json};
use store::PackageProjector;
use tokio::time::Instant;

use crate::support::stage::{Stage, http, invoke, person, start};

/// The currencies that packages are paid in.
pub(super) const CURRENCIES: [&str; 2] = ["INR", "USD"];

/// An action of a client, which it repeats until it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Like {
        quiz: usize,
        on: bool,
    },
    Rate {
        quiz: usize,
        rating: u8,
    },
    Attempt {
        quiz: usize,
        id: usize,
        score: u8,
    },
    /// Makes a package hold exactly these quizzes; makes it, if there is none.
    Put {
        package: usize,
        quizzes: Vec<usize>,
    },
    Delete {
        package: usize,
    },
    /// Purchases of a package have now brought in so much in all.
    Sell {
        package: usize,
        currency: usize,
        earned: i64,
    },
}

/// What an attempt can reach.
pub(super) const MAX_SCORE: u8 = 7;

/// Does something once; nothing if it is not done for good.
pub(super) async fn act(
    stage: Stage,
    faults: Arc<dyn Faults>,
    name: String,
    user: usize,
    action: Action,
) -> Option<()> {
    let boot = || stage.boot(&name, Some(Arc::clone(&faults)), "UTC");
    let ask = async |function: Function, route: &str, path: Value, body: Value| -> u64 {
        let request = http(route, &person(&format!("u{user}"), "admin"), &path, None, &body);
        let answer = invoke(&*start(&boot(), function), &request).await.unwrap();
        let status = answer["statusCode"].as_u64().unwrap();
        assert!(matches!(status, 200 | 201 | 204 | 404 | 409 | 503), "{answer}");
        status
    };
    let quiz = |quiz: usize| json!({"quizId": format!("q{quiz}")});
    let status = match action {
        Action::Like { quiz: of, on } => {
            let route = if on { "POST /api/quizzes/q/like" } else { "DELETE /api/quizzes/q/like" };
            ask(like_quiz::FUNCTION, route, quiz(of), json!(null)).await
        }
        Action::Rate { quiz: of, rating } => {
            let body = json!({"rating": rating});
            ask(rate_quiz::FUNCTION, "POST /api/quizzes/q/rate", quiz(of), body).await
        }
        Action::Attempt { quiz: of, id, score } => {
            let body = json!({"attemptId": format!("a{id}"), "score": score, "maxScore": MAX_SCORE});
            ask(record_quiz_attempt::FUNCTION, "POST /api/quizzes/q/attempt", quiz(of), body).await
        }
        Action::Put { package, quizzes } => {
            let quizzes: Vec<String> = quizzes.iter().map(|quiz| format!("q{quiz}")).collect();
            let mut body = json!({"title": "P", "price": 5, "currency": CURRENCIES[0], "quizIds": quizzes});
            let path = json!({"packageId": format!("p{package}")});
            match ask(update_package::FUNCTION, "PUT /api/packages/p", path, body.clone()).await {
                404 => {
                    body["packageId"] = json!(format!("p{package}"));
                    body["creatorId"] = json!("ann");
                    ask(create_package::FUNCTION, "POST /api/packages", json!({}), body).await
                }
                status => status,
            }
        }
        Action::Delete { package } => {
            let path = json!({"packageId": format!("p{package}")});
            ask(delete_package::FUNCTION, "DELETE /api/packages/p", path, json!(null)).await
        }
        Action::Sell { package, currency, earned } => {
            let boot = boot();
            let updates = boot.open(|setup| PackageProjector::open(setup)).unwrap();
            // What the fold of purchases leaves behind; a version that is used once.
            let update = json!({
                "TableName": "Stats",
                "Key": {"pk": {"S": format!("SALES#PACKAGE#p{package}")}, "sk": {"S": "T"}},
                "UpdateExpression": "SET #v = :v, #e = :e",
                "ExpressionAttributeNames": {"#v": "version", "#e": format!("gross#{}@card", CURRENCIES[currency])},
                "ExpressionAttributeValues": {":v": {"S": boot.ids.fresh()}, ":e": {"N": earned.to_string()}},
            });
            stage.call("UpdateItem", &update);
            let package = format!("p{package}").parse().unwrap();
            let deadline = Instant::now() + std::time::Duration::from_secs(10);
            if updates.refresh_sales(&package, deadline).await.is_ok() { 200 } else { 503 }
        }
    };
    (status < 500).then_some(())
}
