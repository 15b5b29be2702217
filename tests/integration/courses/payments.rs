//! Payments: reported by buyers, approved by admins.

use std::collections::BTreeSet;

use domain::caller::{Caller, Role};
use futures::future::join_all;
use http::Method;
use runtime::http::Cursor;
use serde_json::{Value, json};

use super::api::{
    ADMIN_DASHBOARD, APPROVE, Api, EVE, PAYMENTS, ROOT, SAM, STUDENT_DASHBOARD, SUE, TIM, assert_invalid, is_told, with,
};
use crate::support::app::Answer;

const RECEIVED: [&str; 2] = ["private-user-sam", "private-admin-dashboard"];
const APPROVED: [&str; 3] = ["private-user-sam", "private-student-dashboard-sam", "private-admin-dashboard"];

fn id(payment: &Answer) -> String {
    payment.body["paymentId"].as_str().unwrap().to_owned()
}

fn told_once(told: &[super::api::Told], name: &str, channels: usize) {
    let of_name: Vec<_> = told.iter().filter(|told| told.name == name).collect();
    let ids: BTreeSet<String> = of_name.iter().map(|told| told.data["id"].to_string()).collect();
    assert_eq!((of_name.len(), ids.len()), (channels, 1), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_awaits_approval() {
    let api = Api::start().await;
    let purchase = api.orders(SAM, "course", "algebra").await;
    assert_eq!(api.told().await, []);
    let paid = api.pay(SAM, "k", &purchase).await;
    assert_eq!(paid.status, 201, "{paid:?}");
    let at = &paid.body["receivedAt"];
    let expected = json!({
        "paymentId": paid.body["paymentId"], "purchaseId": purchase, "userId": "sam", "guestId": null,
        "itemType": "course", "itemId": "algebra", "amount": 999, "currency": "USD", "status": "received",
        "receivedAt": at, "approvedAt": null, "cancelledAt": null,
    });
    assert_eq!(paid.body, expected);
    is_told(&api.told().await, "payment-received", &RECEIVED, at, &expected);
    assert_eq!(api.standing(SAM, &purchase).await, "pending");
    // A purchase has one payment, with any caller and key.
    let again = api.pay(SAM, "k", &purchase).await;
    assert_eq!((again.status.as_u16(), &again.bytes), (201, &paid.bytes));
    for (person, key) in [(SAM, "other"), (ROOT, "k")] {
        let same = api.pay(person, key, &purchase).await;
        assert_eq!((same.status.as_u16(), &same.body), (201, &expected));
    }
    assert_eq!(api.told().await, []);

    for person in [SAM, SUE, TIM, EVE] {
        api.approve(person, &id(&paid)).await.is_problem(403);
        api.approve(person, "never").await.is_problem(403);
    }
    let approved = api.approve(ROOT, &id(&paid)).await;
    assert_eq!(approved.status, 200, "{approved:?}");
    let time = &approved.body["approvedAt"];
    assert!(time.as_str() > at.as_str(), "{time}");
    assert_eq!(approved.body, with(&expected, &json!({"status": "approved", "approvedAt": time})));
    let told = api.told().await;
    is_told(&told, "payment-approved", &APPROVED, time, &approved.body);
    told_once(&told, "purchase-completed", 2);
    assert_eq!(api.standing(SAM, &purchase).await, "completed");
    let again = api.approve(ROOT, &id(&paid)).await;
    assert_eq!((again.status.as_u16(), &again.bytes), (200, &approved.bytes));
    // A repeated key gets the stored response; a new key gets the current state.
    assert_eq!(api.pay(SAM, "k", &purchase).await.bytes, paid.bytes);
    assert_eq!(api.pay(SAM, "new", &purchase).await.body, approved.body);
    assert_eq!(api.told().await, []);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_purchase_is_paid_by_buyer_or_admin() {
    let api = Api::start().await;
    let waiting = api.orders(SAM, "product", "mug").await;
    // The answer does not reveal whether there is such a purchase.
    for (person, purchase) in [(SUE, &*waiting), (TIM, &waiting), (EVE, &waiting), (SAM, "never"), (ROOT, "never")] {
        let answer = api.pay(person, "k", purchase).await;
        assert_eq!(answer.is_problem(404)["detail"], format!("there is no purchase {purchase}"));
    }
    api.approve(ROOT, "never").await.is_problem(404);
    assert_invalid(&api.approve(ROOT, "a%20b").await, 422, &["paymentId"]);
    // Without a report there is no payment.
    api.approve(ROOT, &waiting).await.is_problem(404);
    let (completed, cancelled) = (api.orders(SAM, "product", "mug").await, api.orders(SAM, "product", "mug").await);
    assert_eq!(api.complete(&completed).await.status, 200);
    assert_eq!(api.end(&cancelled).await.status, 200);
    let at_once = api.buys(SAM, "product", "mug", &json!({})).await;
    for purchase in [&completed, &cancelled, &at_once] {
        api.pay(SAM, purchase, purchase).await.is_problem(409);
    }
    api.told().await;
    // An admin can report for a guest; only pages of admins receive the event.
    let guests = api.buys(ROOT, "product", "mug", &json!({"guestId": "gus", "status": "pending"})).await;
    api.pay(SAM, "g", &guests).await.is_problem(404);
    let paid = api.pay(ROOT, "g", &guests).await;
    assert_eq!((&paid.body["userId"], &paid.body["guestId"]), (&Value::Null, &json!("gus")));
    is_told(&api.told().await, "payment-received", &RECEIVED[1..], &paid.body["receivedAt"], &paid.body);
    assert_eq!(api.approve(ROOT, &id(&paid)).await.body["status"], "approved");
    // A purchase of unknown price.
    let old = api.buys(ROOT, "course", "old", &json!({"userId": "sam", "amount": null, "status": "pending"})).await;
    let paid = api.pay(SAM, "old", &old).await;
    assert_eq!((&paid.body["amount"], &paid.body["currency"]), (&Value::Null, &Value::Null));
    api.app.finish().await;
}

/// The ids of the payments of a user with this status.
async fn listed(api: &Api, status: &str) -> Vec<Value> {
    let all = api.pages(PAYMENTS, "payments", SAM, &format!("?status={status}")).await.concat();
    assert_eq!(api.pages(PAYMENTS, "payments", ROOT, &format!("?status={status}&userId=sam")).await.concat(), all);
    all
}

/// How many payments an admin sees waiting and approved, and how many wait on Sam's dashboard.
async fn counted(api: &Api) -> (u64, u64, usize) {
    let told = api.get(ADMIN_DASHBOARD, ROOT, "").await.body;
    let count = |status: &str| told["payments"][status]["count"].as_u64().unwrap();
    let sams = api.get(STUDENT_DASHBOARD, SAM, "").await.body;
    let waiting = sams["receivedPayments"].as_array().unwrap().len();
    assert_eq!(told["receivedPayments"].as_array().unwrap().len(), waiting);
    (count("received"), count("approved"), waiting)
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_follows_end_of_purchase() {
    let api = Api::start().await;
    // Completed by another way: approved in the same moment.
    let completed = api.orders(SAM, "course", "algebra").await;
    let payment = id(&api.pay(SAM, "a", &completed).await);
    api.told().await;
    let done = api.complete(&completed).await;
    assert_eq!(done.status, 200, "{done:?}");
    let [approved] = &*listed(&api, "approved").await else { panic!("not one") };
    assert_eq!((&approved["paymentId"], &approved["approvedAt"]), (&json!(payment), &done.body["completedAt"]));
    let told = api.told().await;
    is_told(&told, "payment-approved", &APPROVED, &approved["approvedAt"], approved);
    told_once(&told, "purchase-completed", 2);
    assert_eq!(counted(&api).await, (0, 1, 0));
    assert_eq!(api.approve(ROOT, &payment).await.body, *approved);
    assert_eq!(api.told().await, []);
    // Given back afterwards, it came all the same.
    assert_eq!(api.end(&completed).await.body["status"], "refunded");
    assert_eq!(api.approve(ROOT, &payment).await.body, *approved);

    // Cancelled: nothing waits, and nothing can be approved.
    let cancelled = api.orders(SAM, "course", "latin").await;
    let payment = id(&api.pay(SAM, "b", &cancelled).await);
    assert_eq!(counted(&api).await, (1, 1, 1));
    let ended = api.end(&cancelled).await;
    assert_eq!(ended.body["status"], "cancelled");
    assert_eq!((counted(&api).await, listed(&api, "received").await), ((0, 1, 0), vec![]));
    let [gone] = &*listed(&api, "cancelled").await else { panic!("not one") };
    assert_eq!((&gone["paymentId"], &gone["cancelledAt"]), (&json!(payment), &ended.body["endedAt"]));
    assert_eq!(api.pages(PAYMENTS, "payments", SAM, "").await.concat(), [gone.clone(), approved.clone()]);
    api.approve(ROOT, &payment).await.is_problem(409);
    assert_eq!(api.pay(SAM, "new", &cancelled).await.body, *gone);

    // An item that is owned through another purchase stays pending until that one is refunded.
    let second = api.orders(SAM, "course", "greek").await;
    let waiting = id(&api.pay(SAM, "c", &second).await);
    let other = api.buys(SAM, "course", "greek", &json!({})).await;
    api.told().await;
    assert_eq!(api.approve(ROOT, &waiting).await.is_problem(409)["purchaseId"], other);
    assert_eq!(api.told().await, []);
    assert_eq!(counted(&api).await, (1, 1, 1));
    assert_eq!(api.end(&other).await.status, 200);
    let approved = api.approve(ROOT, &waiting).await;
    assert_eq!(approved.body["status"], "approved");
    assert_eq!(api.purchase(SAM, &second).await.body["completedAt"], approved.body["approvedAt"]);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_payment_is_reconciled_on_next_access() {
    let api = Api::start().await;
    let at = crate::support::app::now();
    for (key, status, told) in [
        ("cancelled", "cancelled", "cancelled"),
        ("completed", "completed", "approved"),
        ("refunded", "refunded", "approved"),
    ] {
        for touch in ["approve", "pay", "end"] {
            let purchase = api.orders(SAM, "course", &format!("{key}-{touch}")).await;
            let payment = id(&api.pay(SAM, &format!("{key}-{touch}"), &purchase).await);
            // As an earlier version left it: the purchase alone was changed.
            api.app.database(
                "UpdateItem",
                "PurchasesTable",
                json!({
                    "Key": {"pk": {"S": format!("PURCHASE#{purchase}")}, "sk": {"S": "DOC"}},
                    "UpdateExpression": "SET #status = :status, completedAt = :at, endedAt = :at",
                    "ExpressionAttributeNames": {"#status": "status"},
                    "ExpressionAttributeValues": {":status": {"S": status}, ":at": {"S": at}},
                }),
            );
            match (touch, status) {
                ("approve", "cancelled") => drop(api.approve(ROOT, &payment).await.is_problem(409)),
                ("approve", _) => assert_eq!(api.approve(ROOT, &payment).await.body["status"], "approved"),
                ("pay", _) => assert_eq!(api.pay(SAM, &format!("{key}-new"), &purchase).await.body["status"], told),
                _ if status == "completed" => assert_eq!(api.complete(&purchase).await.status, 200),
                _ => assert_eq!(api.end(&purchase).await.status, 200),
            }
            let found = listed(&api, told).await;
            assert!(found.iter().any(|one| one["paymentId"] == payment), "{key} {touch}: {found:?}");
        }
    }
    assert_eq!(counted(&api).await, (0, 6, 0));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_payment_requests_apply_once() {
    let api = Api::start().await;
    let purchase = api.orders(SAM, "course", "algebra").await;
    let keys: Vec<String> = (0..8).map(|number| format!("k{}", number / 2)).collect();
    let paid = join_all(keys.iter().map(|key| api.pay(SAM, key, &purchase))).await;
    assert!(paid.iter().all(|answer| answer.bytes == paid[0].bytes), "{paid:?}");
    assert!(paid.iter().all(|answer| answer.status == 201));
    told_once(&api.told().await, "payment-received", 2);
    let payment = id(&paid[0]);
    let approved = join_all((0..8).map(|_| api.approve(ROOT, &payment))).await;
    assert!(approved.iter().all(|answer| answer.status == 200 && answer.bytes == approved[0].bytes), "{approved:?}");
    let told = api.told().await;
    told_once(&told, "payment-approved", 3);
    told_once(&told, "purchase-completed", 2);
    for query in ["", "?status=approved"] {
        assert_eq!(api.pages(PAYMENTS, "payments", SAM, query).await, [[approved[0].body.clone()]]);
    }
    assert_eq!(api.pages(PAYMENTS, "payments", SAM, "?status=received").await, [[]; 1] as [[Value; 0]; 1]);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_are_listed_by_status_newest_first() {
    let api = Api::start().await;
    let mut all: Vec<(String, bool)> = Vec::new();
    for number in 0..12 {
        let person = if number % 4 == 3 { SUE } else { SAM };
        let purchase = api.orders(person, "product", "mug").await;
        let payment = id(&api.pay(person, &number.to_string(), &purchase).await);
        all.insert(0, (payment, person == SAM));
    }
    let is_approved = |at: usize| at.is_multiple_of(3);
    for (at, (payment, _)) in all.iter().enumerate() {
        if is_approved(at) {
            assert_eq!(api.approve(ROOT, payment).await.status, 200);
        }
    }
    let expected = |of_sam: bool, status: &str| -> Vec<&str> {
        let fits = |at: usize| status.is_empty() || (status == "approved") == is_approved(at);
        let all = all.iter().enumerate().filter(|(at, (_, sams))| (!of_sam || *sams) && fits(*at));
        all.map(|(_, (payment, _))| payment.as_str()).collect()
    };
    for status in ["", "received", "approved"] {
        let of_status = if status.is_empty() { String::new() } else { format!("&status={status}") };
        for (person, of, of_sam) in [(SAM, "", true), (ROOT, "&userId=sam", true), (ROOT, "", false)] {
            for limit in [1, 5, 100] {
                let query = format!("?limit={limit}{of_status}{of}");
                let pages = api.pages(PAYMENTS, "payments", person, &query).await;
                assert!(pages.iter().rev().skip(1).all(|page| page.len() == limit), "{query}: {pages:?}");
                let found = pages.concat();
                let found: Vec<&str> = found.iter().map(|one| one["paymentId"].as_str().unwrap()).collect();
                assert_eq!(found, expected(of_sam, status), "{query}");
            }
        }
    }
    for person in [SUE, TIM, EVE] {
        api.get(PAYMENTS, person, "?userId=sam").await.is_problem(403);
    }
    assert_eq!(api.get(PAYMENTS, TIM, "").await.body, json!({"payments": [], "cursor": null}));
    for (query, field) in
        [("?status=gone", "status"), ("?userId=a%20b", "userId"), ("?limit=0", "limit"), ("?cursor=x", "cursor")]
    {
        assert_invalid(&api.get(PAYMENTS, ROOT, query).await, 400, &[field]);
    }
    let page = api.get(PAYMENTS, ROOT, "?limit=1").await;
    let foreign = format!("?limit=1&status=received&cursor={}", page.body["cursor"].as_str().unwrap());
    assert_invalid(&api.get(PAYMENTS, ROOT, &foreign).await, 400, &["cursor"]);
    for place in ["~", "\u{e9}", &"x".repeat(2_000)] {
        let root = Caller::User { id: ROOT.0.parse().unwrap(), role: Role::Admin };
        let cursor = Cursor::new(&root, "payments of None: None", place);
        let page = api.get(PAYMENTS, ROOT, &format!("?cursor={cursor}")).await;
        assert_eq!(page.body["payments"].as_array().unwrap().len(), all.len(), "{place}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_payment_fields() {
    let api = Api::start().await;
    let [one, other] = [api.orders(SAM, "product", "mug").await, api.orders(SAM, "product", "mug").await];
    let key = [("idempotency-key", "k")];
    for body in [json!({}), json!({"purchaseId": 7}), json!({"purchaseId": "a b"})] {
        assert_invalid(&api.call((Method::POST, PAYMENTS), "", SAM, &key, &body).await, 422, &["purchaseId"]);
    }
    assert_invalid(&api.call((Method::POST, PAYMENTS), "", SAM, &key, &json!([])).await, 422, &["body"]);
    let body = json!({"purchaseId": one});
    for headers in [vec![], vec![("idempotency-key", "a b")]] {
        api.call((Method::POST, PAYMENTS), "", SAM, &headers, &body).await.is_problem(400);
    }
    assert_eq!(api.pay(SAM, "k", &one).await.status, 201);
    assert_invalid(&api.pay(SAM, "k", &other).await, 422, &["Idempotency-Key"]);
    // Keys of different people have nothing to do with each other.
    assert_eq!(api.pay(ROOT, "k", &other).await.status, 201);
    let token = api.token(SAM);
    let (json_type, authorized) = (("content-type", "application/json"), ("authorization", token.as_str()));
    let to = || (Method::POST, PAYMENTS);
    api.send(to(), "", &[json_type, authorized, key[0]], "{").await.is_problem(400);
    api.send(to(), "", &[json_type, authorized, key[0]], " ".repeat(5_000)).await.is_problem(413);
    api.send(to(), "", &[("content-type", "image/png"), authorized, key[0]], "{}").await.is_problem(415);
    let forged = [json_type, ("authorization", "Bearer a.b.c"), key[0]];
    api.send(to(), "", &forged, body.to_string()).await.is_problem(401);
    api.send((Method::POST, APPROVE), &one, &forged, "").await.is_problem(401);
    api.send((Method::GET, PAYMENTS), "", &forged, "").await.is_problem(401);
    api.app.finish().await;
}
