//! Audit tasks in different orders: no task depends on another one.

use serde_json::{Value, json};

use super::api::{A_WHILE, Api};
use super::corruption::Vandal;
use super::shop::{self, id};
use super::tasks::{delivery, leg, walks};
use crate::support::app::items_of;

/// Runs tasks one after the other.
async fn go(api: &Api, legs: impl IntoIterator<Item = Value>) {
    for walk in legs {
        let answer = api.app.invoke("AuditWorkerFunction", &delivery(&leg("a", &walk))).await.unwrap();
        assert_eq!(answer, json!({"batchItemFailures": []}), "{walk}");
    }
    api.app.settled().await;
}

/// Everything that is corrupted is repaired in this order of tasks.
async fn is_mended(order: impl FnOnce(&mut [Value]), spoil: impl FnOnce(&Vandal<'_>)) {
    let mut api = Api::start().await;
    shop::open(&mut api).await;
    let vandal = Vandal::comes(&mut api).await;
    spoil(&vandal);
    let mut legs = walks();
    order(&mut legs);
    go(vandal.api(), legs).await;
    vandal.mended().await;
    api.app.finish().await;
}

fn forward(_: &mut [Value]) {}

fn backward(legs: &mut [Value]) {
    legs.reverse();
}

fn minute(vandal: &Vandal<'_>) {
    vandal.add_to_minute("SALES#COURSE#algebra", "B#2026-01-10T12:00", "USD@card", "gross", 7);
    vandal.lose("SALES#TEST#finals", "B#2026-02-03T10:00");
}

fn totals(vandal: &Vandal<'_>) {
    vandal.add("SALES#COURSE#algebra", "D#2026-01-10", "gross#USD@card", 7);
    vandal.add("SALES#PRODUCT#cup", "M#2026-03", "units#EUR@card", -1);
    vandal.lose("SALES#PACKAGE#p", "M#2026-04");
}

fn contributions(vandal: &Vandal<'_>) {
    vandal.add("REVENUE#D#2026-01-10", "C#COURSE#algebra", "gross#USD@card", 7);
    vandal.lose("REVENUE#M#2026-02", "C#TEST#finals");
}

fn guards(vandal: &Vandal<'_>) {
    vandal.add("BUYER#u:sue", "COHORT", "2026-03", 1);
    vandal.lose("BUYER#u:kim", "COHORT");
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_when_buckets_are_checked_first() {
    is_mended(forward, minute).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_when_buckets_are_checked_last() {
    is_mended(backward, minute).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_when_totals_are_checked_first() {
    is_mended(backward, totals).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_when_totals_are_checked_last() {
    is_mended(forward, totals).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_when_contributions_are_checked_first() {
    is_mended(forward, contributions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_when_contributions_are_checked_last() {
    is_mended(backward, contributions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_when_buyers_are_checked_before_cohorts() {
    is_mended(forward, guards).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_when_buyers_are_checked_after_cohorts() {
    is_mended(backward, guards).await;
}

/// The items of one of eight segments.
fn segment_of(api: &Api, segment: i32) -> Vec<Value> {
    let segment = json!({"ConsistentRead": true, "Segment": segment, "TotalSegments": 8});
    items_of(api.app.pages("Scan", "PurchasesTable", segment))
}

/// In which segment of the ledger a partition is.
fn segment(api: &Api, pk: &str) -> usize {
    let holds = |segment: &i32| segment_of(api, *segment).iter().any(|item| item["pk"]["S"] == pk);
    (0..8).find(holds).unwrap().try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_when_buyer_is_checked_before_purchase_with_wrong_listing() {
    for is_lost in [false, true] {
        let mut api = Api::start().await;
        let (_, known) = shop::open(&mut api).await;
        let vandal = Vandal::comes(&mut api).await;
        // A purchase that a later task covers than its buyer.
        let of = |buyer: &'static str, purchase: &Value| {
            let api = vandal.api();
            let segments = (segment(api, buyer), segment(api, &format!("PURCHASE#{}", id(purchase))));
            (buyer, purchase.clone(), segments.0, segments.1)
        };
        let known = [of("BUYER#u:kim", &known.quiz), of("BUYER#u:sam", &known.algebra), of("BUYER#u:sam", &known.cup)];
        let (buyer, purchase, first, _) = known.into_iter().find(|(_, _, buyer, purchase)| buyer != purchase).unwrap();
        let entry = format!("{}#{}", purchase["purchasedAt"].as_str().unwrap(), id(&purchase));
        if is_lost {
            vandal.lose(buyer, &entry);
        } else {
            vandal.change(buyer, &entry, |entry| entry["status"] = json!({"S": "refunded"}));
        }
        vandal.api().app.settled().await;
        let mut all = walks();
        let leg = all.remove(first);
        go(vandal.api(), [leg].into_iter().chain(all)).await;
        // The totals of the buyer follow the repaired listing once the stream has delivered it.
        vandal.mended().await;
        api.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn task_order_never_changes_intact_items() {
    let mut api = Api::start().await;
    shop::open(&mut api).await;
    let before = api.dump().await;
    for order in [forward, backward] {
        let mut legs = walks();
        order(&mut legs);
        go(&api, legs).await;
        api.later(A_WHILE).await;
    }
    assert_eq!(super::api::differences(&before, &api.dump().await), Vec::<String>::new());
    api.app.finish().await;
}
