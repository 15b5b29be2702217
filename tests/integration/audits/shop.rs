//! A shop with a past: everything that can be bought, in several months and currencies, some of it given back.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::{Value, json};

use super::api::{Api, COMPLETE, KIM, PACKAGES, PURCHASE, PURCHASES, Person, REFUND, ROOT, SAM, SUE, TIM};

/// The id of a purchase.
pub(super) fn id(purchase: &Value) -> &str {
    purchase["purchaseId"].as_str().unwrap()
}

fn time(of: &Value) -> String {
    of.as_str().unwrap().to_owned()
}

/// The purchases, as the test remembers them.
#[derive(Debug, Default)]
pub(super) struct Shop {
    purchases: usize,
    buyers: BTreeSet<String>,
    /// The payments and refunds with their times.
    facts: Vec<(String, String)>,
    /// The buyers with their payment times.
    paid: Vec<(String, String)>,
    keys: usize,
}

impl Shop {
    /// An order that differs from the usual one: something of 9.99 dollars.
    pub(super) async fn order(
        &mut self,
        api: &Api,
        person: Person<'_>,
        (kind, item): (&str, &str),
        patch: Value,
    ) -> Value {
        let mut order =
            json!({"itemType": kind, "itemId": item, "amount": 999, "currency": "USD", "paymentMethod": "card"});
        for (field, value) in patch.as_object().unwrap() {
            order[field] = value.clone();
        }
        if kind == "product" {
            // On offer, without any of the numbers that follow from that.
            let product = json!({
                "pk": {"S": format!("PRODUCT#{item}")}, "sk": {"S": "DOC"}, "version": {"S": "v"},
                "title": {"S": "A thing"}, "seller": {"S": "eve"}, "price": {"N": "999"}, "currency": {"S": "USD"},
                "status": {"S": "active"},
            });
            api.app.database("PutItem", "StateTable", json!({"Item": product}));
        }
        self.keys += 1;
        let key = format!("k{}", self.keys);
        let headers = [("idempotency-key", key.as_str())];
        let answer = api.call((Method::POST, PURCHASES), "", person, &headers, order.to_string()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        self.purchases += 1;
        self.buyers.insert(buyer(&answer.body));
        self.note_paid(&answer.body);
        answer.body
    }

    /// An admin records a past purchase.
    async fn past(&mut self, api: &Api, item: (&str, &str), at: &str, mut patch: Value) -> Value {
        patch["purchasedAt"] = json!(at);
        self.order(api, ROOT, item, patch).await
    }

    fn note_paid(&mut self, purchase: &Value) {
        if purchase["completedAt"].is_string() {
            self.facts.push((item(purchase), time(&purchase["completedAt"])));
            self.paid.push((buyer(purchase), time(&purchase["completedAt"])));
        }
    }

    async fn complete(&mut self, api: &Api, purchase: &Value) {
        let answer = api.call((Method::POST, COMPLETE), id(purchase), ROOT, &[], "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.note_paid(&answer.body);
    }

    /// A part, or all that is left, is given back then.
    pub(super) async fn refund(&mut self, api: &Api, purchase: &Value, amount: Option<u64>, at: &str) {
        self.keys += 1;
        let key = format!("k{}", self.keys);
        let body = json!({"amount": amount, "refundedAt": at}).to_string();
        let headers = [("idempotency-key", key.as_str())];
        let answer = api.call((Method::POST, REFUND), id(purchase), ROOT, &headers, body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.facts.push((item(purchase), at.to_owned()));
    }

    async fn end(&mut self, api: &Api, purchase: &Value) {
        let answer = api.call((Method::DELETE, PURCHASE), id(purchase), ROOT, &[], "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        if answer.body["status"] == "refunded" {
            self.facts.push((item(purchase), time(&answer.body["endedAt"])));
        }
    }

    /// How much an audit is to look at.
    pub(super) fn counts(&self) -> Value {
        let parts = |length: usize| -> BTreeSet<(&str, &str)> {
            self.facts.iter().map(|(item, at)| (item.as_str(), &at[..length])).collect()
        };
        let periods: BTreeSet<&str> = self.facts.iter().flat_map(|(_, at)| [&at[..10], &at[..7]]).collect();
        let mut first: BTreeMap<&str, &str> = BTreeMap::new();
        for (buyer, at) in &self.paid {
            let month = first.entry(buyer).or_insert(&at[..7]);
            *month = (*month).min(&at[..7]);
        }
        json!({
            "buyers": self.buyers.len(),
            "purchases": self.purchases,
            "hours": parts("2026-01-01T00".len()).len(),
            "items": parts("2026-01".len()).len(),
            "periods": periods.len(),
            "cohorts": first.values().collect::<BTreeSet<_>>().len(),
        })
    }
}

fn buyer(purchase: &Value) -> String {
    format!("{} {}", purchase["userId"], purchase["guestId"])
}

fn item(purchase: &Value) -> String {
    format!("{} {}", purchase["itemType"], purchase["itemId"])
}

/// The purchases that tests come back to, by name.
pub(super) struct Known {
    pub(super) algebra: Value,
    pub(super) ended: Value,
    pub(super) quiz: Value,
    pub(super) cup: Value,
    pub(super) pending: Value,
}

/// Opens the shop; some time after all that happened there, everything has reached the numbers.
pub(super) async fn open(api: &mut Api) -> (Shop, Known) {
    let mut shop = Shop::default();
    let package = json!({"packageId": "p", "title": "Algebra", "price": 50_000, "currency": "INR", "quizIds": []});
    assert_eq!(api.call((Method::POST, PACKAGES), "", TIM, &[], package.to_string()).await.status, 201);
    let of = |user: &str, amount: i64, currency: &str| json!({"amount": amount, "currency": currency, "userId": user});

    let algebra = shop.past(api, ("course", "algebra"), "2026-01-10T12:00:00Z", of("sam", 1_000, "USD")).await;
    shop.refund(api, &algebra, Some(500), "2026-02-10T12:00:00.000Z").await;
    let mut paypal = of("sue", 2_000, "USD");
    paypal["paymentMethod"] = json!("paypal");
    let ended = shop.past(api, ("course", "algebra"), "2026-02-03T09:00:00Z", paypal).await;
    shop.refund(api, &ended, Some(1), "2026-03-05T12:00:00.000Z").await;
    shop.refund(api, &ended, None, "2026-03-05T12:00:00.001Z").await;
    let mut three = of("sue", 500, "EUR");
    three["quantity"] = json!(3);
    shop.past(api, ("test", "finals"), "2026-02-03T10:00:00Z", three).await;
    let quiz = shop.past(api, ("test", "quiz"), "2026-02-03T11:00:00Z", of("kim", 600, "EUR")).await;
    shop.past(api, ("test", "quiz"), "2026-02-03T11:00:59.999Z", of("lou", 650, "EUR")).await;
    shop.past(api, ("test", "quiz"), "2026-02-03T11:30:00Z", of("sam", 0, "EUR")).await;
    let gift = json!({"amount": null, "guestId": "gus", "quantity": 5, "paymentMethod": "unknown"});
    let gift = shop.past(api, ("product", "mug"), "2026-02-14T00:00:00Z", gift).await;
    shop.refund(api, &gift, None, "2026-03-06T12:00:00.000Z").await;
    shop.past(api, ("package", "p"), "2026-02-28T23:59:59.999Z", of("sam", 3_000, "USD")).await;
    shop.past(api, ("product", "cup"), "2026-03-01T00:00:00Z", of("sam", 700, "EUR")).await;
    let cup = shop.past(api, ("product", "cup"), "2026-03-02T00:00:00Z", of("sam", 800, "JPY")).await;
    let mut guests = of("", 900, "EUR");
    guests["userId"] = Value::Null;
    guests["guestId"] = json!("gil");
    shop.past(api, ("product", "cup"), "2026-03-02T00:00:00Z", guests).await;
    shop.past(api, ("course", "geometry"), "2026-03-02T08:00:00Z", of("lou", 1_100, "USD")).await;

    // And today, by people themselves.
    shop.order(api, SAM, ("course", "calculus"), json!({})).await;
    let rupees = json!({"amount": 50_000, "currency": "INR"});
    shop.order(api, SUE, ("package", "p"), rupees).await;
    let waits = || json!({"status": "pending"});
    let approved = shop.order(api, SUE, ("course", "calculus"), waits()).await;
    shop.complete(api, &approved).await;
    let cancelled = shop.order(api, SUE, ("course", "statistics"), waits()).await;
    shop.end(api, &cancelled).await;
    let pending = shop.order(api, KIM, ("course", "statistics"), waits()).await;
    let back = shop.order(api, KIM, ("test", "midterm"), json!({"currency": "EUR"})).await;
    shop.end(api, &back).await;
    shop.order(api, KIM, ("product", "pen"), json!({})).await;
    // One buyer never paid, and one pays now for an order of another month.
    shop.order(api, ROOT, ("product", "mug"), json!({"status": "pending", "guestId": "gus2"})).await;
    let late =
        shop.past(api, ("product", "pen"), "2026-01-20T12:00:00Z", json!({"status": "pending", "guestId": "gil"}));
    let late = late.await;
    shop.complete(api, &late).await;

    api.later(super::api::A_WHILE).await;
    (shop, Known { algebra, ended, quiz, cup, pending })
}
