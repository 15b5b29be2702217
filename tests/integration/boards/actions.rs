//! What sellers, admins and viewers do, through the functions themselves.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::time::Time;
use local::wire::Faults;
use runtime::function::Function;
use serde_json::{Value, json};

use crate::support::stage::{Stage, http, invoke, person, start};

/// When it all begins: shortly before a month ends.
pub(super) const BEGIN: &str = "2026-01-31T23:59:30Z";

/// The sellers, in whose turn the products are theirs.
pub(super) const SELLERS: [&str; 3] = ["ann", "bob", "cem"];

/// The products; the first sellers have two.
pub(super) const PRODUCTS: [&str; 5] = ["p0", "p1", "p2", "p3", "p4"];

/// The only product that is ever deleted. The final state of the others follows from their descriptions.
pub(super) const DELETED: usize = 4;

/// Whose a product is.
pub(super) fn seller_of(product: usize) -> &'static str {
    SELLERS[product % SELLERS.len()]
}

/// The viewers: users, one of whom is a seller, and sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Viewer {
    User(&'static str),
    Session(&'static str),
}

pub(super) const VIEWERS: [Viewer; 5] =
    [Viewer::User("u0"), Viewer::User("u1"), Viewer::Session("s0"), Viewer::Session("s1"), Viewer::User("ann")];

/// An action of a client, which it repeats until it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Describe {
        product: usize,
        /// Whether the product is created rather than replaced.
        is_new: bool,
        status: &'static str,
        price: u64,
        currency: &'static str,
        /// For an admin, how many days ago the product was sold; for its seller, `None`.
        days_ago: Option<i64>,
    },
    Delete {
        product: usize,
    },
    View {
        product: usize,
        viewer: Viewer,
    },
}

/// An answer that is none of a failure: its status and its body.
pub(super) type Answer = (u64, Value);

/// Performs an action once; `None` if it must be repeated.
pub(super) async fn act(stage: Stage, faults: Arc<dyn Faults>, name: String, action: Action) -> Option<Answer> {
    let (function, request): (Function, Value) = match &action {
        Action::Describe { product, is_new, status, price, currency, days_ago } => {
            let mut body = json!({"title": "A thing", "price": price, "currency": currency, "status": status});
            let mut caller = person(seller_of(*product), "seller");
            if let Some(days) = days_ago {
                caller = person("root", "admin");
                body["sellerId"] = json!(seller_of(*product));
                if *status == "sold" {
                    body["soldAt"] = json!(BEGIN.parse::<Time>().unwrap().plus(-TimeDelta::days(*days)));
                    body["soldAtEstimated"] = json!(days % 2 == 1);
                }
            }
            let id = PRODUCTS[*product];
            if *is_new {
                body["productId"] = json!(id);
                (create_product::FUNCTION, http("POST /api/products", &caller, &json!({}), None, &body))
            } else {
                let path = json!({"productId": id});
                (put_product::FUNCTION, http("PUT /api/products/p", &caller, &path, None, &body))
            }
        }
        Action::Delete { product } => {
            let (caller, path) = (person(seller_of(*product), "seller"), json!({"productId": PRODUCTS[*product]}));
            (delete_product::FUNCTION, http("DELETE /api/products/p", &caller, &path, None, &json!(null)))
        }
        Action::View { product, viewer } => {
            let (caller, body) = match viewer {
                Viewer::User(user) => {
                    (person(user, if SELLERS.contains(user) { "seller" } else { "student" }), json!({}))
                }
                Viewer::Session(session) => (json!({"caller": "anonymous"}), json!({"sessionId": session})),
            };
            let path = json!({"productId": PRODUCTS[*product]});
            (record_product_view::FUNCTION, http("POST /api/products/p/views", &caller, &path, None, &body))
        }
    };
    let answer = invoke(&*start(&stage.boot(&name, Some(faults), "UTC"), function), &request).await.unwrap();
    let status = answer["statusCode"].as_u64().unwrap();
    let body: Value = answer["body"].as_str().map(|body| serde_json::from_str(body).unwrap()).unwrap_or_default();
    let text = body.to_string();
    // A client that lost a race until its deadline gets an error and may try again.
    let has_lost = status == 409 && text.contains("changed in between");
    let is_known = match &action {
        Action::Describe { is_new: true, .. } => status == 409 && text.contains("already"),
        Action::Describe { .. } => false,
        Action::View { .. } | Action::Delete { .. } => status == 404,
    };
    assert!(matches!(status, 200 | 201 | 204 | 503) || has_lost || is_known, "{action:?}: {answer}");
    (status < 500 && !has_lost).then_some((status, body))
}
