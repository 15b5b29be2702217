//! Incremental audits, which cover what has changed since the last complete audit.

use std::sync::Arc;

use chrono::TimeDelta;
use http::Method;
use local::capacity::{Meter, total};
use serde_json::{Value, json};

use super::api::{A_WHILE, AUDITS, Api, Findings, ROOT, SAM, findings, key};
use super::corruption::{Vandal, more};
use super::recent::undelivered;
use super::shop::{self, Shop};
use super::tasks::{delivery, leg};

fn finding(kind: &str, subject: &str) -> Findings {
    [(kind.to_owned(), subject.to_owned())].into()
}

#[tokio::test(flavor = "multi_thread")]
async fn incremental_audit_skips_untouched_items() {
    let mut api = Api::start_for("changes").await;
    shop::open(&mut api).await;
    assert_eq!(api.found().await, Findings::new());
    api.later(A_WHILE).await;
    // Since then nothing has happened.
    let vandal = Vandal::comes(&mut api).await;
    vandal.add("OWNER#u:sam", "COURSE#algebra", "standing", 1);
    vandal.add("SALES#COURSE#algebra", "D#2026-01-10", "gross#USD@card", 7);
    let report = api.audited().await;
    let nothing = json!({"buyers": 0, "purchases": 0, "hours": 0, "items": 0, "periods": 0, "cohorts": 0});
    assert_eq!((&report["checked"], findings(&report)), (&nothing, Findings::new()));
    let found = api.found_by_a_full_one().await;
    for (kind, subject) in [("ownership", "OWNER#u:sam/COURSE#algebra"), ("total", "SALES#COURSE#algebra/D#2026-01-10")]
    {
        assert!(found.contains(&(kind.to_owned(), subject.to_owned())), "{found:?}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn incremental_audit_covers_buyer_and_item_day_of_new_purchase() {
    let mut api = Api::start_for("changes").await;
    let (mut shop, _) = shop::open(&mut api).await;
    assert_eq!(api.found().await, Findings::new());
    api.later(A_WHILE).await;
    shop.order(&api, SAM, ("product", "pen"), json!({})).await;
    api.later(A_WHILE).await;
    Vandal::comes(&mut api).await.add("OWNER#u:sam", "COURSE#algebra", "standing", 1);
    Vandal::comes(&mut api).await.add("OWNER#u:sue", "COURSE#calculus", "standing", 1);
    let report = api.audited().await;
    assert_eq!(findings(&report), finding("ownership", "OWNER#u:sam/COURSE#algebra"));
    let checked = |name: &str| report["checked"][name].as_u64().unwrap();
    assert_eq!((checked("buyers"), checked("purchases"), checked("hours"), checked("items")), (1, 1, 1, 1));
    assert_eq!(api.found_by_a_full_one().await, finding("ownership", "OWNER#u:sue/COURSE#calculus"));
    api.app.finish().await;
}

/// An audit that is begun and never done: its parts are gone.
async fn broken_off(api: &Api) {
    let (faulty, audit) = (json!({"begun": {"N": "1000"}}), api.begin().await);
    api.app.settled().await;
    let total = format!("AUDIT#{audit}");
    let mut item = api.app.database("GetItem", "StatsTable", json!({"Key": key(&total, "T")}))["Item"].clone();
    item["begun"] = faulty["begun"].clone();
    api.app.database("PutItem", "StatsTable", json!({"Item": item}));
    assert_eq!(api.report(&audit).await["status"], "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn incremental_audit_ignores_incomplete_predecessor() {
    let mut api = Api::start_for("changes").await;
    let mut shop = Shop::default();
    shop.order(&api, SAM, ("course", "algebra"), json!({})).await;
    api.later(A_WHILE).await;
    let complete = api.begin().await;
    api.app.settled().await;
    let began = api.report(&complete).await["startedAt"].clone();
    api.later(24 * 60).await;
    let mug = shop.order(&api, SAM, ("product", "mug"), json!({})).await;
    api.later(A_WHILE).await;
    broken_off(&api).await;
    api.later(24 * 60).await;
    Vandal::comes(&mut api).await.change("BUYER#u:sam", &entry(&mug), |item| more(&mut item["paid"]["M"]["listed"], 7));
    api.app.settled().await;
    let audit = api.begin().await;
    api.app.settled().await;
    let report = api.report(&audit).await;
    let since: chrono::DateTime<chrono::Utc> = report["from"].as_str().unwrap().parse().unwrap();
    let expected: chrono::DateTime<chrono::Utc> = began.as_str().unwrap().parse().unwrap();
    assert_eq!(since, expected - TimeDelta::minutes(15), "{report}");
    let listing = ("listing".to_owned(), format!("PURCHASE#{}", shop::id(&mug)));
    assert!(findings(&report).contains(&listing), "{report}");
    api.app.finish().await;
}

fn entry(purchase: &Value) -> String {
    format!("{}#{}", purchase["purchasedAt"].as_str().unwrap(), shop::id(purchase))
}

#[tokio::test(flavor = "multi_thread")]
async fn incremental_audit_becomes_full_without_recent_complete_one() {
    let mut api = Api::start().await;
    api.begin_of("changes", "full").await;
    api.app.settled().await;
    api.begin_of("changes", "changes").await;
    api.later(27 * 24 * 60).await;
    let late = api.begin_of("changes", "changes").await;
    api.app.settled().await;
    let late = api.report(&late).await;
    // That one is complete.
    api.later(28 * 24 * 60).await;
    api.begin_of("changes", "full").await;
    api.app.settled().await;
    // A part of an audit that comes when changes may have expired is none that could be relied on.
    api.later(36 * 24 * 60).await;
    let walk = json!({"changes": {"day": "2026-05-07", "lane": 0, "since": late["startedAt"]}});
    let answer = api.app.invoke("AuditWorkerFunction", &delivery(&leg("a", &walk))).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "m"}]}));
    let answer = api.call((Method::POST, AUDITS), "?scope=some", ROOT, &[], "").await;
    assert_eq!(answer.is_problem(400)["errors"][0]["field"], "scope");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn next_audit_covers_purchases_skipped_as_too_recent() {
    let (mut api, mut shop) = (Api::start_for("changes").await, Shop::default());
    let mug = shop.order(&api, SAM, ("product", "mug"), json!({})).await;
    api.later(5).await;
    let bucket = format!("B#{}", &mug["completedAt"].as_str().unwrap()[..16]);
    undelivered(&api);
    assert_eq!(api.found().await, Findings::new(), "it may be on its way");
    api.later(24 * 60).await;
    let found = api.found().await;
    assert!(found.contains(&("bucket".to_owned(), format!("SALES#PRODUCT#mug/{bucket}"))), "{found:?}");
    assert_eq!(api.found_by_a_full_one().await, Findings::new());
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_changes_of_one_day_are_split_into_tasks() {
    let mut api = Api::start_with(|options| {
        options.template =
            local::cloud::Source::Text(local::functions::TEMPLATE.replace("PART_ITEMS: \"500\"", "PART_ITEMS: \"15\""));
    })
    .await;
    assert_eq!(api.found().await, Findings::new());
    let mut shop = Shop::default();
    for number in 0..60 {
        shop.order(&api, ROOT, ("product", &format!("pen{}", number % 7)), json!({"userId": format!("u{number}")}))
            .await;
    }
    api.later(A_WHILE).await;
    let vandal = Vandal::comes(&mut api).await;
    for buyer in ["u3", "u31", "u59"] {
        let owned = vandal.sort_keys(&format!("OWNER#u:{buyer}"), "PRODUCT#", "").remove(0);
        vandal.lose(&format!("OWNER#u:{buyer}"), &owned);
    }
    let audit = api.begin_of("changes", "changes").await;
    api.app.settled().await;
    let report = api.report(&audit).await;
    assert_eq!((&report["status"], &report["found"]["ownership"]), (&json!("done"), &json!(3)), "{report}");
    assert_eq!((&report["checked"]["purchases"], &report["checked"]["buyers"]), (&json!(60), &json!(60)));
    assert_eq!(api.found_by_a_full_one().await, Findings::new());
    api.app.finish().await;
}

/// The units of an audit of changes after ten purchases, and of a full one, where so many were made before.
async fn units(before: usize) -> [f64; 2] {
    let meter = Arc::new(Meter::default());
    let mut api = Api::start_with(|options| options.meter = Some(Arc::clone(&meter))).await;
    let mut shop = Shop::default();
    let mut buy = async |api: &Api, range: std::ops::Range<usize>| {
        for number in range {
            let item = format!("pen{}", number % 50);
            shop.order(api, ROOT, ("product", &item), json!({"userId": format!("u{number}")})).await;
        }
    };
    buy(&api, 0..before).await;
    api.later(24 * 60).await;
    let of_auditor = || {
        let used = meter.reset();
        let own = used.into_iter().filter(|(metered, _)| metered.function.starts_with("Audit"));
        let usage = total(&own.collect());
        usage.read_units + usage.write_units
    };
    assert_eq!(api.found().await, Findings::new());
    let full = of_auditor();
    buy(&api, 1_000..1_010).await;
    api.later(A_WHILE).await;
    drop(meter.reset());
    let audit = api.begin_of("changes", "changes").await;
    api.app.settled().await;
    assert_eq!(api.report(&audit).await["checked"]["purchases"], 10);
    let of_changes = of_auditor();
    api.app.finish().await;
    [of_changes, full]
}

#[tokio::test(flavor = "multi_thread")]
async fn incremental_audit_cost_is_proportional_to_changes() {
    let [few, many] = [units(50).await, units(400).await];
    println!("units of an audit of 10 changes and of a full one: {few:?} after 50 purchases, {many:?} after 400");
    // Cohorts and months hold more buyers and things, whose sums are read.
    assert!(many[0] < few[0] * 1.2, "{few:?} {many:?}");
    assert!(many[1] > few[1] * 3.0, "{few:?} {many:?}");
}
