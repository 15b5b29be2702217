//! What a stream brings about is given its time before it is looked at.

use serde_json::json;

use super::api::{A_WHILE, Api, Findings, SAM, differences, findings, key, plainly};
use super::shop::{self, Shop};

/// Loses all that the stream of purchases brought about, as if it had not come.
pub(super) fn undelivered(api: &Api) {
    for item in api.app.scan("StatsTable") {
        let (pk, sk) = (item["pk"]["S"].as_str().unwrap(), item["sk"]["S"].as_str().unwrap());
        if !pk.starts_with("AUDIT") {
            api.app.database("DeleteItem", "StatsTable", json!({"Key": key(pk, sk)}));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn skips_recent_purchases() {
    let (mut api, mut shop) = (Api::start().await, Shop::default());
    shop.order(&api, SAM, ("course", "algebra"), json!({})).await;
    let mug = shop.order(&api, SAM, ("product", "mug"), json!({"currency": "EUR"})).await;
    shop.refund(&api, &mug, Some(99), mug["completedAt"].as_str().unwrap()).await;
    let (right, told) = (api.dump().await, api.told().await);
    undelivered(&api);
    let spoiled = api.dump().await;
    for minutes in [0, 5, 9] {
        api.later(minutes).await;
        let report = api.audited().await;
        assert_eq!(findings(&report), Findings::new(), "{report}");
        assert_eq!((&report["checked"]["purchases"], &report["checked"]["hours"]), (&json!(2), &json!(2)));
        assert_eq!(differences(&spoiled, &api.dump().await), Vec::<String>::new());
    }
    api.later(2).await;
    let bucket = |item: &str| {
        let minute = &mug["completedAt"].as_str().unwrap()[..16];
        ("bucket".to_owned(), format!("SALES#{item}/B#{}", minute))
    };
    let found = api.found().await;
    let buyer = ("buyer".to_owned(), "BUYER#u:sam".to_owned());
    // Both were bought in the same minute, unless a minute ended in between.
    for finding in [bucket("PRODUCT#mug"), buyer] {
        assert!(found.contains(&finding), "{found:?}");
    }
    assert!(found.len() == 3 && found.iter().any(|(_, subject)| subject.contains("COURSE#algebra")), "{found:?}");
    assert_eq!(differences(&plainly(right), &plainly(api.dump().await)), Vec::<String>::new());
    assert_eq!(api.told().await, told);
    api.later(A_WHILE).await;
    assert_eq!(api.found().await, Findings::new());
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn skips_recently_written_bucket_in_older_hour() {
    let mut api = Api::start().await;
    let (mut shop, _) = shop::open(&mut api).await;
    // Long ago, in an hour with older sales; but it is only now that it was recorded.
    let mut late = json!({"userId": "ann", "amount": 650, "currency": "EUR"});
    late["purchasedAt"] = json!("2026-02-03T11:45:00Z");
    let before = api.dump().await;
    shop.order(&api, super::api::ROOT, ("test", "quiz"), late).await;
    let (right, told) = (api.dump().await, api.told().await);
    // All that the stream wrote goes back to what it was.
    for (name, item) in &right {
        let Some((pk, sk)) = name.strip_prefix("StatsTable ").and_then(|name| name.split_once('/')) else { continue };
        match before.get(name) {
            Some(was) if was != item => drop(api.app.database("PutItem", "StatsTable", json!({"Item": was}))),
            Some(_) => {}
            None => drop(api.app.database("DeleteItem", "StatsTable", json!({"Key": key(pk, sk)}))),
        }
    }
    for name in before.keys().filter(|name| !right.contains_key(*name)) {
        api.app.database("PutItem", "StatsTable", json!({"Item": before[name]}));
    }
    let spoiled = api.dump().await;
    let report = api.audited().await;
    assert_eq!(findings(&report), Findings::new(), "{report}");
    assert_eq!(differences(&spoiled, &api.dump().await), Vec::<String>::new());
    api.later(A_WHILE).await;
    let found = api.found().await;
    for finding in [("bucket", "SALES#TEST#quiz/B#2026-02-03T11:45"), ("buyer", "BUYER#u:ann")] {
        assert!(found.contains(&(finding.0.to_owned(), finding.1.to_owned())), "{found:?}");
    }
    assert_eq!(differences(&plainly(right), &plainly(api.dump().await)), Vec::<String>::new());
    assert_eq!(api.told().await, told);
    api.app.finish().await;
}
