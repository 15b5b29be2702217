//! Where nothing is wrong, nothing is found, and nothing is changed.

use serde_json::json;

use super::api::{ANN, Api, Findings, ROOT, differences, findings};
use super::shop;

#[tokio::test(flavor = "multi_thread")]
async fn intact_ledger_has_no_findings_and_is_not_written() {
    let mut api = Api::start().await;
    let (shop, _) = shop::open(&mut api).await;
    let (before, told) = (api.dump().await, api.told().await);
    for _ in 0..2 {
        let report = api.audited().await;
        assert_eq!(report["checked"], shop.counts());
        assert_eq!(findings(&report), Findings::new(), "{report}");
        let found = report["found"].as_object().unwrap();
        assert!(found.len() == 10 && found.values().all(|count| *count == 0), "{report}");
    }
    // Not even a version has changed.
    assert_eq!(differences(&before, &api.dump().await), Vec::<String>::new());
    assert_eq!(api.told().await, told);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn incremental_audit_of_new_ledger_covers_what_full_one_does() {
    let mut api = Api::start_for("changes").await;
    let (shop, _) = shop::open(&mut api).await;
    let (before, told) = (api.dump().await, api.told().await);
    let report = api.audited().await;
    // Of items it looks at days rather than at months, and an hour in which several people bought is met in several lanes.
    let (mut expected, mut checked) = (shop.counts(), report["checked"].clone());
    assert!(checked["hours"].as_u64() >= expected["hours"].as_u64(), "{report}");
    for counts in [&mut expected, &mut checked] {
        counts.as_object_mut().unwrap().retain(|name, _| !["items", "hours"].contains(&name.as_str()));
    }
    assert_eq!((checked, findings(&report)), (expected, Findings::new()), "{report}");
    assert_eq!(differences(&before, &api.dump().await), Vec::<String>::new());
    assert_eq!(api.told().await, told);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_ledger_has_no_findings() {
    let api = Api::start().await;
    let report = api.audited().await;
    let nothing = json!({"buyers": 0, "purchases": 0, "hours": 0, "items": 0, "periods": 0, "cohorts": 0});
    assert_eq!((&report["checked"], findings(&report)), (&nothing, Findings::new()));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_recorded_out_of_order_are_no_finding() {
    let (mut api, mut shop) = (Api::start().await, shop::Shop::default());
    let mug = shop.order(&api, ROOT, ("product", "mug"), json!({"purchasedAt": "2026-01-10T12:00:00Z"})).await;
    shop.refund(&api, &mug, Some(99), "2026-02-05T12:00:00.000Z").await;
    shop.refund(&api, &mug, None, "2026-01-20T12:00:00.000Z").await;
    api.later(super::api::A_WHILE).await;
    let report = api.audited().await;
    assert_eq!((&report["checked"], findings(&report)), (&shop.counts(), Findings::new()), "{report}");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_ledger_is_checked_exactly_once() {
    let mut api = Api::start().await;
    let (mut shop, _) = shop::open(&mut api).await;
    // One buyer has more purchases than a task covers, and April has more sales than a task covers.
    for at in 0..600 {
        shop.order(&api, ANN, ("product", &format!("pen{}", at % 30)), json!({})).await;
    }
    api.later(super::api::A_WHILE).await;
    let report = api.audited().await;
    assert_eq!(report["checked"], shop.counts());
    assert_eq!(findings(&report), Findings::new(), "{report}");
    api.app.finish().await;
}
