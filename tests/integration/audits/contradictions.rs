//! A ledger that contradicts itself is reported and left unchanged.

use serde_json::{Value, json};

use super::api::{A_WHILE, Api, Findings, SCOPES, differences};
use super::corruption::{Vandal, more};
use super::shop::{self, Known, id};

/// The audit reports only this purchase and changes nothing, and so does the next one.
async fn is_told(mut api: Api, purchase: &Value) {
    let subject = format!("PURCHASE#{}", id(purchase));
    // Values derived from the ledger follow it even where it is wrong.
    api.later(A_WHILE).await;
    let before = api.dump().await;
    // A second audit of changes looks at what came after the first.
    let times = if api.scope() == "full" { 2 } else { 1 };
    for _ in 0..times {
        let report = api.audited().await;
        let expected = json!([{"type": "ledger", "subject": subject, "repaired": false}]);
        assert_eq!((&report["findings"], &report["found"]["ledger"]), (&expected, &json!(1)));
        assert_eq!(differences(&before, &api.dump().await), Vec::<String>::new());
    }
    api.app.finish().await;
}

/// A consistent shop of which everything is due for an audit.
async fn opened(scope: &'static str) -> (Api, Known) {
    let mut api = Api::start_for(scope).await;
    let (_, known) = shop::open(&mut api).await;
    if scope == "full" {
        assert_eq!(api.found().await, Findings::new());
    }
    (api, known)
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_purchase_without_sale_and_changes_nothing() {
    for scope in SCOPES {
        // In an hour that has another one, and in one that has none.
        for (which, hour, begin) in [
            (0, "SALES#TEST#quiz#2026-02-03T11", "00:00.000#sale#"),
            (1, "SALES#COURSE#algebra#2026-01-10T12", "00:00.000#sale#"),
        ] {
            let (mut api, known) = opened(scope).await;
            let purchase = if which == 0 { known.quiz } else { known.algebra };
            Vandal::comes(&mut api).await.lose(hour, &format!("{begin}{}", id(&purchase)));
            is_told(api, &purchase).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_ended_purchase_without_refund_and_changes_nothing() {
    for scope in SCOPES {
        let (mut api, known) = opened(scope).await;
        let vandal = Vandal::comes(&mut api).await;
        let hour = "SALES#COURSE#algebra#2026-03-05T12";
        let refunds = vandal.sort_keys(hour, "00:00.001#refund#", "");
        assert_eq!(refunds.len(), 1, "{refunds:?}");
        vandal.lose(hour, &refunds[0]);
        is_told(api, &known.ended).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_purchase_and_sale_of_different_amounts_and_changes_nothing() {
    for scope in SCOPES {
        let (mut api, known) = opened(scope).await;
        let vandal = Vandal::comes(&mut api).await;
        let entry = format!("{}#{}", known.quiz["purchasedAt"].as_str().unwrap(), id(&known.quiz));
        for (pk, sk) in [(format!("PURCHASE#{}", id(&known.quiz)), "DOC"), ("BUYER#u:kim".to_owned(), entry.as_str())] {
            vandal.change(&pk, sk, |item| more(&mut item["paid"]["M"]["listed"], 400));
        }
        is_told(api, &known.quiz).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_listing_after_manual_change_of_purchase() {
    for scope in SCOPES {
        let (mut api, known) = opened(scope).await;
        let purchase = format!("PURCHASE#{}", id(&known.quiz));
        let vandal = Vandal::comes(&mut api).await;
        vandal.change(&purchase, "DOC", |item| more(&mut item["paid"]["M"]["listed"], 400));
        // The listing follows the purchase and is reported once; the sale with the other amount stays.
        let found = api.found().await;
        let expected: Findings = [("listing", &purchase), ("ledger", &purchase)]
            .map(|(kind, subject)| (kind.to_owned(), subject.clone()))
            .into();
        let buyer = ("buyer".to_owned(), "BUYER#u:kim".to_owned());
        assert!(found == expected || found == expected.iter().cloned().chain([buyer]).collect(), "{found:?}");
        if scope == "full" {
            is_told(api, &known.quiz).await;
        } else {
            api.app.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_unreadable_ledger_items_and_repairs_the_rest() {
    let (mut api, _) = opened("full").await;
    let vandal = Vandal::comes(&mut api).await;
    let broken = json!({"purchase": {"S": "x"}});
    for (pk, sk) in [("PURCHASE#broken", "DOC"), ("SOMETHING#else", "x")] {
        let mut item = super::api::key(pk, sk);
        item["purchase"] = broken["purchase"].clone();
        vandal.api().app.database("PutItem", "PurchasesTable", json!({"Item": item}));
    }
    vandal.lose("OWNER#u:sam", "PACKAGE#p");
    let ledger = |subject: &str| ("ledger".to_owned(), subject.to_owned());
    let broken: Findings = [ledger("PURCHASE#broken"), ledger("SOMETHING#else/x")].into();
    let mut all = broken.clone();
    all.insert(("ownership".to_owned(), "OWNER#u:sam/PACKAGE#p".to_owned()));
    assert_eq!(api.found().await, all);
    assert_eq!(api.found().await, broken);
    api.app.finish().await;
}
