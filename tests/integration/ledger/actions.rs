//! What buyers and admins do, through the functions themselves.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::time::Time;
use local::wire::Faults;
use runtime::function::Function;
use serde_json::{Value, json};

use crate::support::stage::{Stage, http, invoke, person, start};

/// When it all begins: shortly before a month ends.
pub(super) const BEGIN: &str = "2026-01-31T23:59:30Z";

/// The things that are bought: one that is had once, and one that may be bought again.
pub(super) const ITEMS: [(&str, &str); 3] = [("course", "c0"), ("product", "x0"), ("package", "p0")];

/// How often the discount may be used.
pub(super) const MAX_USES: i64 = 2;

/// An action of a client, which it repeats until it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Buy {
        user: usize,
        item: usize,
        price: u64,
        currency: &'static str,
        method: &'static str,
        pending: bool,
        discount: bool,
        /// For a recorded sale, how many days ago it was.
        days_ago: Option<i64>,
    },
    Complete {
        purchase: String,
    },
    Refund {
        purchase: String,
        amount: Option<u64>,
    },
    End {
        purchase: String,
    },
}

/// An answer that is none of a failure: its status and its body.
pub(super) type Answer = (u64, String);

/// Performs an action once under this key; `None` if it must be repeated.
pub(super) async fn act(
    stage: Stage,
    faults: Arc<dyn Faults>,
    name: String,
    key: String,
    action: Action,
) -> Option<Answer> {
    let path = |purchase: &str| json!({"purchaseId": purchase});
    let (function, route, path, body): (Function, &str, Value, Value) = match &action {
        Action::Buy { user, item, price, currency, method, pending, discount, days_ago } => {
            let (kind, id) = ITEMS[*item];
            let mut body = json!({
                "itemType": kind, "itemId": id, "amount": price, "currency": currency, "paymentMethod": method,
                "userId": format!("u{user}"), "status": if *pending { "pending" } else { "completed" },
            });
            if *discount {
                body["discountCode"] = json!("HALF");
            }
            if let Some(days) = days_ago {
                let at = BEGIN.parse::<Time>().unwrap().plus(-TimeDelta::days(*days));
                body["purchasedAt"] = json!(at);
            }
            (create_purchase::FUNCTION, "POST /api/purchases", json!({}), body)
        }
        Action::Complete { purchase } => {
            (complete_purchase::FUNCTION, "POST /api/purchases/p/complete", path(purchase), json!(null))
        }
        Action::Refund { purchase, amount } => {
            let body = json!({"amount": amount});
            (refund_purchase::FUNCTION, "POST /api/purchases/p/refund", path(purchase), body)
        }
        Action::End { purchase } => (refund_purchase::FUNCTION, "DELETE /api/purchases/p", path(purchase), json!(null)),
    };
    let mut request = http(route, &person("root", "admin"), &path, None, &body);
    if matches!(action, Action::Buy { .. } | Action::Refund { .. }) {
        request["headers"]["idempotency-key"] = json!(key);
    }
    let answer = invoke(&*start(&stage.boot(&name, Some(faults), "UTC"), function), &request).await.unwrap();
    let status = answer["statusCode"].as_u64().unwrap();
    assert!(matches!(status, 200 | 201 | 409 | 422 | 503), "{action:?}: {answer}");
    let body = answer["body"].as_str().unwrap_or_default().to_owned();
    // A client that lost a race until its deadline gets an error and may try again.
    let has_lost = status == 409 && body.contains("changed in between");
    (status < 500 && !has_lost).then_some((status, body))
}
