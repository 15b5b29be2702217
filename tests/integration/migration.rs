//! The migration from MongoDB: each owned item is purchased once, however often it is imported.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use http::Method;
use migrate::done::Done;
use migrate::export::{self, Export};
use migrate::known;
use migrate::plan::{Assumed, Plan, Purchase};
use migrate::send::{Sent, send};
use replay::api::{Api, Credential, Patience};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::app::{App, ago};

const SAM: &str = "65a0c1f2e4b0a1b2c3d4e501";
const ALGEBRA: &str = "65a0c1f2e4b0a1b2c3d4e511";
const LOGIC: &str = "65a0c1f2e4b0a1b2c3d4e512";

/// Users before and behind their documents, extended JSON and plain, and what cannot be read.
const EXPORT: &str = r#"
{"_id": {"$oid": "65a0c1f2e4b0a1b2c3d4e5d1"}, "user": {"$oid": "65a0c1f2e4b0a1b2c3d4e501"}, "course": {"$oid": "65a0c1f2e4b0a1b2c3d4e511"}, "purchasedAt": {"$date": "2025-01-31T12:00:00Z"}, "amount": {"$numberDouble": "29.99"}, "paymentMethod": "credit_card", "__v": {"$numberInt": "0"}}
{"_id": {"$oid": "65a0c1f2e4b0a1b2c3d4e501"}, "name": "Sam", "purchasedCourses": [{"$oid": "65a0c1f2e4b0a1b2c3d4e511"}, {"$oid": "65a0c1f2e4b0a1b2c3d4e512"}], "purchasedTests": [{"$oid": "65a0c1f2e4b0a1b2c3d4e511"}], "createdAt": {"$date": {"$numberLong": "1704067200000"}}}
{"_id": "sue", "purchasedCourses": ["geometry"], "purchasedTests": ["final"], "purchases": [{"_id": "d2", "test": "final", "purchasedAt": {"$date": {"$numberLong": "1738324800000"}}, "amount": 9.9, "paymentMethod": "paypal"}]}
{"_id": "d3", "user": "kim", "course": "geometry", "purchasedAt": 1738411200000, "amount": null, "paymentMethod": "bank_transfer"}
{"_id": "d4", "user": "kim", "test": "final", "amount": 0}
{"_id": "d5", "user": "kim", "test": "final", "amount": 5, "purchasedAt": "2025-02-01T12:00:00Z"}
{"_id": "d6", "user": "kim", "course": "logic", "test": "logic"}
{"_id": "d7", "user": "kim", "course": "physics", "amount": 19.999}
{"_id": "kim", "purchasedCourses": ["geometry", "physics"], "purchasedTests": []}
"#;

/// The expected purchases: buyer, item, amount, time, method, and which of these are assumed.
fn expected() -> Vec<Value> {
    let undated = "2024-12-31T00:00:00.000Z";
    let rows = [
        (SAM, "course", ALGEBRA, json!(2999), "2025-01-31T12:00:00.000Z", "credit_card", ""),
        (SAM, "course", LOGIC, Value::Null, undated, "unknown", "undated methodAssumed"),
        (SAM, "test", ALGEBRA, Value::Null, undated, "unknown", "undated methodAssumed"),
        ("kim", "course", "geometry", Value::Null, "2025-02-01T12:00:00.000Z", "bank_transfer", ""),
        ("kim", "test", "final", json!(0), undated, "unknown", "undated methodAssumed"),
        ("sue", "course", "geometry", Value::Null, undated, "unknown", "undated methodAssumed"),
        ("sue", "test", "final", json!(990), "2025-01-31T12:00:00.000Z", "paypal", ""),
    ];
    let row = |(user, kind, item, amount, at, method, assumed): (_, _, _, Value, _, _, &str)| {
        let mut metadata = json!({"imported": "true"});
        for name in assumed.split_whitespace() {
            metadata[name] = json!("true");
        }
        let currency = if amount.is_null() { Value::Null } else { json!("USD") };
        json!({
            "userId": user, "itemType": kind, "itemId": item, "amount": amount, "currency": currency, "purchasedAt": at,
            "paymentMethod": method, "metadata": metadata, "status": "completed", "quantity": 1,
        })
    };
    rows.map(row).to_vec()
}

/// A folder of a test's own, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tally-migration-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn done(&self) -> PathBuf {
        self.0.join("export.done")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap_or_else(|error| println!("{}: {error}", self.0.display()));
    }
}

struct Migration {
    app: App,
    api: Api,
    folder: Folder,
}

impl Migration {
    async fn start(test: &str) -> Self {
        let app = App::start().await;
        let api = api(&app, &app.cloud.tokens()["admin"]);
        Self { app, api, folder: Folder::new(test) }
    }

    fn done(&self) -> Done {
        Done::open(&self.folder.done(), self.app.cloud.api_url()).unwrap()
    }

    /// Imports what is not done yet. Returns the number of purchases done before, and the outcome of the rest.
    async fn run(&self, plan: &Plan) -> (usize, Sent) {
        let mut done = self.done();
        let (before, left): (Vec<&Purchase>, Vec<&Purchase>) =
            plan.purchases.iter().partition(|purchase| done.contains(purchase, &assumed()));
        let ended = Cell::new(0);
        let sent = send(&self.api, &left, &assumed(), 4, &mut done, || ended.set(ended.get() + 1)).await;
        assert_eq!((ended.get(), sent.sent()), (left.len(), left.len()));
        (before.len(), sent)
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.app.send(Method::GET, path, &[("authorization", &self.app.token("admin"))], "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// All that these people bought, in a fixed order.
    async fn history(&self, users: &[&str]) -> Vec<Value> {
        self.app.settled().await;
        let mut all = Vec::new();
        for user in users {
            let body = self.get(&format!("/api/purchases?userId={user}&limit=100")).await;
            assert_eq!(body["cursor"], Value::Null);
            all.extend(body["purchases"].as_array().unwrap().clone());
        }
        all.sort_by_key(|purchase| ["userId", "itemType", "itemId"].map(|field| purchase[field].to_string()));
        all
    }

    /// The purchase through which a user owns an item.
    async fn has(&self, user: &Value, kind: &Value, item: &Value) -> Value {
        let [user, kind, item] = [user, kind, item].map(|text| text.as_str().unwrap());
        let path = format!("/api/purchases/owned?userId={user}&itemType={kind}&itemId={item}&strong=true");
        self.get(&path).await["items"][0]["purchaseId"].clone()
    }
}

fn api(app: &App, token: &str) -> Api {
    let patience = Patience { tries: 3, ..Patience::default() };
    Api::new(app.cloud.api_url(), Some(&Credential::Token(token.to_owned())), patience).unwrap()
}

fn assumed() -> Assumed {
    Assumed {
        currency: "USD".parse().unwrap(),
        undated: Some("2024-12-31T00:00:00Z".parse().unwrap()),
        payment_method: "unknown".to_owned(),
    }
}

fn read(text: &str) -> (Export, Plan) {
    let export = export::read(text.trim().as_bytes(), assumed().currency).unwrap();
    let plan = Plan::of(&export);
    (export, plan)
}

/// Things that many people have: of one half there are documents.
fn many(users: usize) -> Plan {
    let user = |at: usize| {
        let document = json!({
            "user": format!("u{at}"), "course": "a", "amount": 12.5, "purchasedAt": "2025-01-31T12:00:00Z",
            "paymentMethod": "card",
        });
        format!("{}\n{document}\n", json!({"_id": format!("u{at}"), "purchasedCourses": ["a", "b"]}))
    };
    let (export, plan) = read(&(0..users).map(user).collect::<String>());
    assert_eq!((export.problems.len(), plan.purchases.len()), (0, 2 * users));
    plan
}

fn imported(count: usize) -> Sent {
    Sent { imported: count, ..Sent::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn migration_preserves_ownership_and_is_idempotent() {
    let (export, plan) = read(EXPORT);
    let lines = |problems: &[migrate::Problem]| problems.iter().map(|problem| problem.line).collect::<Vec<_>>();
    assert_eq!((lines(&export.problems), lines(&plan.repeated)), (vec![7, 8], vec![6]));
    assert_eq!((plan.purchases.len(), plan.undated(), plan.unpriced()), (7, 4, 4));

    let migration = Migration::start("whole").await;
    let users = [SAM, "kim", "sue"];
    assert_eq!(migration.run(&plan).await, (0, imported(7)));
    let first = migration.history(&users).await;
    assert_eq!(first.len(), 7);
    for (purchase, expected) in first.iter().zip(expected()) {
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(purchase[field], *value, "{field} of {purchase}");
        }
        let had_by = migration.has(&purchase["userId"], &purchase["itemType"], &purchase["itemId"]).await;
        assert_eq!(had_by, purchase["purchaseId"]);
    }
    // A field of a document that cannot be read is not guessed from the list.
    assert_eq!(migration.has(&json!("kim"), &json!("course"), &json!("physics")).await, Value::Null);

    let items = migration.app.items("PurchasesTable");
    // With the file no request is sent; without it all are sent again and have the same answers.
    assert_eq!(migration.run(&plan).await, (7, imported(0)));
    std::fs::remove_file(migration.folder.done()).unwrap();
    assert_eq!(migration.run(&plan).await, (0, imported(7)));
    assert_eq!(migration.history(&users).await, first);
    assert_eq!(migration.app.items("PurchasesTable"), items);
    migration.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_migration_resumes() {
    let plan = many(20);
    let migration = Migration::start("stopped").await;
    // A part is sent, and the next requests are cut off on their way.
    let (stop, ended) = (Notify::new(), Cell::new(0));
    let all: Vec<&Purchase> = plan.purchases.iter().collect();
    {
        let (assumed, mut done) = (assumed(), migration.done());
        let progress = || {
            ended.set(ended.get() + 1);
            if ended.get() == 15 {
                stop.notify_one();
            }
        };
        tokio::select! {
            biased;
            () = stop.notified() => {}
            sent = send(&migration.api, &all, &assumed, 4, &mut done, progress) => panic!("not stopped: {sent:?}"),
        }
    }
    assert!((15..40).contains(&ended.get()), "{}", ended.get());
    // The last line did not get to the disk as a whole.
    let text = std::fs::read_to_string(migration.folder.done()).unwrap();
    assert_eq!(text.lines().count(), ended.get() + 1);
    std::fs::write(migration.folder.done(), &text[..text.len() - 7]).unwrap();

    let (before, sent) = migration.run(&plan).await;
    assert_eq!((before, sent), (ended.get() - 1, imported(41 - ended.get())));
    migration.app.settled().await;
    let items = migration.app.items("PurchasesTable");
    let users: Vec<String> = (0..20).map(|at| format!("u{at}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let first = migration.history(&users).await;
    assert_eq!(first.len(), 40);
    let mut by_amount = BTreeMap::<String, usize>::new();
    for purchase in &first {
        *by_amount.entry(purchase["amount"].to_string()).or_default() += 1;
    }
    assert_eq!(by_amount, BTreeMap::from([("1250".to_owned(), 20), ("null".to_owned(), 20)]));

    // The file is lost: it takes longer, and comes to the same.
    std::fs::remove_file(migration.folder.done()).unwrap();
    assert_eq!(migration.run(&plan).await, (0, imported(40)));
    assert_eq!(migration.run(&plan).await, (40, imported(0)));
    assert_eq!(migration.history(&users).await, first);
    assert_eq!(migration.app.items("PurchasesTable"), items);
    migration.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_existing_purchases_and_reports_rejected_ones() {
    let migration = Migration::start("had").await;
    let order = json!({
        "itemType": "course", "itemId": "a", "amount": 1, "currency": "USD", "paymentMethod": "card", "userId": "u0",
    });
    let token = migration.app.token("admin");
    let headers = [("content-type", "application/json"), ("authorization", &*token), ("idempotency-key", "other")];
    let own = migration.app.send(Method::POST, "/api/purchases", &headers, order.to_string()).await;
    assert_eq!(own.status, 201, "{own:?}");

    let soon = ago(chrono::TimeDelta::days(-1));
    let text = format!(
        "{}\n{}\n",
        json!({"_id": "u0", "purchasedCourses": ["a", "b"]}),
        json!({"user": "u0", "course": "c", "purchasedAt": soon, "amount": 1, "paymentMethod": "card"}),
    );
    let (_, plan) = read(&text);
    let (_, sent) = migration.run(&plan).await;
    assert_eq!((sent.imported, sent.had), (1, 1));
    let [refused] = &*sent.refused else { panic!("{sent:?}") };
    assert_eq!(refused.to_string(), "line 2: course c of user u0: purchasedAt must not be in the future");
    assert_eq!(migration.has(&json!("u0"), &json!("course"), &json!("a")).await, own.body["purchaseId"]);
    // Rejected purchases are sent again, and existing ones are not.
    let (before, sent) = migration.run(&plan).await;
    assert_eq!((before, sent.sent(), sent.refused.len()), (2, 1, 1));
    assert_eq!(migration.history(&["u0"]).await.len(), 2);

    // A differently written document is the same purchase: it is reported, and nothing more is purchased.
    let text = r#"{"user": "u0", "course": "b", "purchasedAt": "2025-01-31T12:00:00Z", "amount": 7}"#;
    std::fs::remove_file(migration.folder.done()).unwrap();
    let (_, sent) = migration.run(&read(text).1).await;
    assert_eq!(sent.refused.len(), 1, "{sent:?}");
    assert!(sent.refused[0].what.contains("it was brought in before"), "{sent:?}");
    assert_eq!(migration.history(&["u0"]).await.len(), 2);
    migration.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn corrected_documents_are_imported() {
    let migration = Migration::start("corrected").await;
    let list = r#"{"_id": "u0", "purchasedCourses": ["a"], "purchasedTests": ["b"]}"#;
    // A document of a course and a test at once: neither comes in without its price.
    let (export, plan) = read(&format!("{list}\n{}", r#"{"user": "u0", "course": "a", "test": "b", "amount": 7}"#));
    assert_eq!((export.problems.len(), plan.withheld.len(), plan.purchases.len()), (1, 2, 0));
    assert_eq!(migration.run(&plan).await, (0, imported(0)));
    assert_eq!(migration.history(&["u0"]).await, [] as [Value; 0]);
    let corrected = format!("{list}\n{}", r#"{"user": "u0", "course": "a", "amount": 7}"#);
    let (_, plan) = read(&corrected);
    assert_eq!(migration.run(&plan).await, (0, imported(2)));
    let told: Vec<Value> = migration.history(&["u0"]).await.iter().map(|one| one["amount"].clone()).collect();
    assert_eq!(told, [json!(700), Value::Null]);
    assert_eq!(migration.run(&plan).await, (2, imported(0)));
    // A second correction is not "done before": the report states that another value is stored.
    let (_, plan) = read(&corrected.replace("\"amount\": 7", "\"amount\": 8"));
    let (before, sent) = migration.run(&plan).await;
    assert_eq!((before, sent.imported, sent.refused.len()), (1, 0, 1), "{sent:?}");
    assert!(sent.refused[0].what.contains("it was brought in before"), "{sent:?}");
    migration.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn document_currency_and_status_are_honoured_or_rejected() {
    let migration = Migration::start("status").await;
    let (export, plan) = read(
        r#"{"_id": "u0", "purchasedCourses": ["a", "b", "c"]}
           {"user": "u0", "course": "a", "amount": 1500, "currency": "JPY", "status": "completed"}
           {"user": "u0", "course": "b", "amount": 15, "currency": "EUR", "status": "pending"}
           {"user": "u0", "course": "c", "amount": 15, "status": "refunded"}"#,
    );
    assert_eq!((export.problems.len(), plan.withheld.len()), (1, 1));
    assert_eq!(migration.run(&plan).await, (0, imported(2)));
    let told: Vec<Value> = migration.history(&["u0"]).await;
    let told: Vec<[&Value; 4]> =
        told.iter().map(|one| ["itemId", "amount", "currency", "status"].map(|name| &one[name])).collect();
    assert_eq!(told[0], [&json!("a"), &json!(1500), &json!("JPY"), &json!("completed")]);
    assert_eq!(told[1], [&json!("b"), &json!(1500), &json!("EUR"), &json!("pending")]);
    assert_eq!(told.len(), 2);
    for (item, is_had) in [("a", true), ("b", false), ("c", false)] {
        let had = migration.has(&json!("u0"), &json!("course"), &json!(item)).await;
        assert_eq!(!had.is_null(), is_had, "{item}");
    }
    migration.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn migration_requires_admin() {
    let plan = many(5);
    let migration = Migration::start("strangers").await;
    let purchases: Vec<&Purchase> = plan.purchases.iter().collect();
    for token in [migration.app.cloud.tokens()["student"].as_str(), "a.b.c"] {
        let mut done = migration.done();
        let sent = send(&api(&migration.app, token), &purchases, &assumed(), 4, &mut done, || {}).await;
        assert!(sent.stopped.as_ref().is_some_and(|why| why.starts_with("refused with 40")), "{sent:?}");
        assert_eq!(sent.sent(), 0);
        assert!(purchases.iter().all(|purchase| !done.contains(purchase, &assumed())));
    }
    assert_eq!(migration.app.items("PurchasesTable"), 0);
    // A file about an API that has lost its data is not trusted.
    assert!(!known::any_stands(&migration.api, &purchases).await.unwrap());
    assert_eq!(migration.run(&plan).await, (0, imported(10)));
    assert!(known::any_stands(&migration.api, &purchases).await.unwrap());
    assert!(known::any_stands(&api(&migration.app, "a.b.c"), &purchases).await.is_err());
    migration.app.finish().await;
}

#[test]
fn validation_matches_api() {
    assert_eq!(migrate::amount::MAX_AMOUNT, domain::money::MAX_AMOUNT);
    for id in ["", "a", "a b", "A-z_0.9:x", "é", "a#b", &"x".repeat(64), &"x".repeat(65)] {
        assert_eq!(migrate::extended::is_id(id), id.parse::<domain::id::ItemId>().is_ok(), "{id}");
    }
    for code in ["USD", "JPY", "usd", "XXX", "XAU", "CLF"] {
        let taken = code.parse::<domain::money::Currency>().is_ok();
        assert_eq!(code.parse::<migrate::amount::Currency>().is_ok(), taken, "{code}");
    }
}
