//! Analytics of purchases for admins: revenue, top items and cohorts. Every figure is compared with the test's own
//! purchases.

mod buyers;
mod figures;
mod queries;
mod range;
mod top;

use serde_json::{Value, json};

use super::api::{Api, ROOT, id, order_with};

/// The time in the shop.
const NOON: &str = "2026-04-10T12:00:00.000Z";

/// Amounts in a currency: purchases, payments, refunds, and the number of refunds.
fn amounts(currency: &str, purchases: i64, gross: i64, refunds: i64, refund_count: i64) -> Value {
    let average = (purchases > 0).then(|| gross as f64 / purchases as f64);
    json!({
        "currency": currency, "purchases": purchases, "gross": gross, "refunds": refunds, "totalRefunds": refund_count,
        "net": gross - refunds, "averageOrder": average,
    })
}

/// Unknown amounts.
fn unknown(purchases: i64, refund_count: i64) -> Value {
    json!({
        "currency": null, "purchases": purchases, "gross": null, "refunds": null, "totalRefunds": refund_count,
        "net": null, "averageOrder": null,
    })
}

/// What purchases come to: how many they are, of how many pieces, and how many of them ended.
fn figures([purchases, units, ended]: [i64; 3], currencies: &[Value]) -> Value {
    json!({"purchases": purchases, "units": units, "ended": ended, "currencies": currencies})
}

/// The figures that stand in an answer, or in a part of it.
fn told(answer: &Value) -> Value {
    let names = ["purchases", "units", "ended", "currencies"];
    names.into_iter().map(|name| (name.to_owned(), answer[name].clone())).collect()
}

/// This field of each thing in a list.
fn each(list: &Value, name: &str) -> Value {
    let things = list.as_array().unwrap_or_else(|| panic!("{list} is no list"));
    things.iter().map(|thing| thing.pointer(name).unwrap_or_else(|| panic!("{thing} has no {name}")).clone()).collect()
}

/// A part of a whole, in percent.
fn share(part: i64, whole: i64) -> f64 {
    part as f64 / whole as f64 * 100.0
}

/// An admin records a past purchase, with its key as id.
async fn sold(api: &Api, key: &str, (kind, item): (&str, &str), at: &str, patch: &Value) -> Value {
    let mut patch = patch.clone();
    patch["purchasedAt"] = json!(at);
    api.bought(ROOT, key, &order_with(kind, item, &patch)).await
}

/// An admin records a past refund: a part, or all that is left.
async fn given_back(api: &Api, purchase: &Value, amount: Option<u64>, at: &str) {
    let order = json!({"amount": amount, "refundedAt": at});
    let answer = api.refund(ROOT, &format!("back-{}", id(purchase)), id(purchase), &order).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Purchases of every item type in three months, in two currencies and of unknown amount, some of them refunded.
async fn shop() -> Api {
    let api = Api::at(NOON).await;
    api.package("p").await;
    api.discount("TENTH-OFF", &json!({"type": "percent", "percent": 10})).await;
    let euros = |amount: i64, user: &str| json!({"amount": amount, "currency": "EUR", "userId": user});
    let (algebra, mug) = (("course", "algebra"), ("product", "mug"));
    let part = sold(&api, "a", algebra, "2026-01-10T12:00:00Z", &json!({"amount": 1_000, "userId": "sam"})).await;
    let paypal = json!({"amount": 2_000, "userId": "sue", "paymentMethod": "paypal"});
    let whole = sold(&api, "b", algebra, "2026-02-03T09:00:00Z", &paypal).await;
    let mut three = euros(500, "sue");
    three["quantity"] = json!(3);
    sold(&api, "c", ("test", "finals"), "2026-02-03T10:00:00Z", &three).await;
    sold(&api, "d", ("test", "quiz"), "2026-02-03T11:00:00Z", &euros(600, "kim")).await;
    let gift = json!({"amount": null, "guestId": "g", "paymentMethod": "invoice", "quantity": 5});
    let nobody_knows = sold(&api, "e", mug, "2026-02-14T00:00:00Z", &gift).await;
    let mut off = euros(1_000, "kim");
    off["discountCode"] = json!("TENTH-OFF");
    sold(&api, "f", ("course", "geometry"), "2026-02-20T12:00:00Z", &off).await;
    let package = json!({"amount": 3_000, "userId": "sam"});
    sold(&api, "g", ("package", "p"), "2026-02-28T23:59:59.999Z", &package).await;
    sold(&api, "h", ("product", "cup"), "2026-03-01T00:00:00.000Z", &euros(700, "sam")).await;
    given_back(&api, &part, Some(500), "2026-02-10T12:00:00Z").await;
    given_back(&api, &whole, None, "2026-03-05T12:00:00Z").await;
    given_back(&api, &nobody_knows, None, "2026-03-06T12:00:00Z").await;
    api
}

/// What the shop took in January, February and March.
fn months() -> [Value; 3] {
    [
        figures([1, 1, 0], &[amounts("USD", 1, 1_000, 0, 0)]),
        figures([6, 12, 0], &[amounts("EUR", 3, 2_000, 0, 0), amounts("USD", 2, 5_000, 500, 1), unknown(1, 0)]),
        figures([1, 1, 2], &[amounts("EUR", 1, 700, 0, 0), amounts("USD", 0, 0, 2_000, 1), unknown(0, 1)]),
    ]
}

/// What the shop took in all of them.
fn quarter() -> Value {
    figures([8, 14, 2], &[amounts("EUR", 4, 2_700, 0, 0), amounts("USD", 3, 6_000, 2_500, 2), unknown(1, 1)])
}
