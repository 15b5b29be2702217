//! Real invoices: a shop's purchases and refunds go in through the API, and analytics match SQL over the file.

use std::time::Duration;

use http::Method;
use replay::api::{Api, Credential, Patience};
use replay::retail::load::load;
use replay::retail::orders::Orders;
use replay::retail::reading::read;
use replay::retail::sql::{Days, Tables};
use replay::retail::verify::{ANALYTICS, Subject, subjects, verify};
use serde_json::{Value, json};

use crate::contract::{assert_response_matches, contract};
use crate::support::app::App;
use crate::support::data::{invoices, is_ci};

/// The range of the file.
const FIRST: &str = "2010-11-30";
const LAST: &str = "2010-12-31";

/// The analytics of some days, without the time of the answer.
async fn told(app: &App, days: &str) -> Value {
    let token = app.token("admin");
    let path = format!("{ANALYTICS}?{days}");
    let answer = app.send(Method::GET, &path, &[("authorization", &token)], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_response_matches(&contract(), &Method::GET, ANALYTICS, &answer);
    let mut body = answer.body;
    assert!(body["asOf"].take().is_string(), "{body}");
    body
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_invoices), ignore = "needs ../shared/data/online_retail_10k.csv; then touch tests/build.rs")]
async fn analytics_match_sql_over_invoices_and_reload_is_idempotent() {
    let is_whole = is_ci();
    let text = invoices(if is_whole { usize::MAX - 1 } else { 1_000 });

    let read = read(&text).unwrap();
    assert!(read.unreadable.is_empty(), "{:?}", read.unreadable);
    let orders = Orders::of(&read.entries);
    let tables = Tables::of(&text).unwrap();
    let counted = (orders.purchases.len(), orders.openings(), orders.refunds.len(), read.left_out.len());
    assert_eq!(counted, if is_whole { (9_960, 90, 100, 30) } else { (999, 9, 10, 0) });
    let mut subjects = subjects(&tables).unwrap();
    // The months and days of the file are compared anyway; here the whole range, too.
    let days = Days { from: FIRST.to_owned(), to: LAST.to_owned() };
    assert_eq!(tables.sums(&days).unwrap(), tables.sums(&Days::all()).unwrap());
    for days in [Days { from: "2010-12-01".to_owned(), to: "2010-12-31".to_owned() }, days] {
        let subject = Subject::of_days(&tables, days).unwrap();
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }

    let app = App::start().await;
    let credential = Credential::Token(app.cloud.tokens()["admin"].clone());
    let api = Api::new(app.cloud.api_url(), Some(&credential), Patience::default()).unwrap();
    let mut first = None;
    for run in ["first", "second"] {
        let loaded = load(&api, &orders, 4, |_| {}).await.unwrap();
        assert_eq!((loaded.refused.as_slice(), loaded.refunds), (&[][..], orders.refunds.len() as u64), "{run} run");
        app.settled().await;
        let wrong = verify(&api, &subjects, 4, Duration::ZERO, |_| {}).await.unwrap();
        assert!(wrong.is_empty(), "{run} run: {} numbers, such as {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);

        // Some of them once more, as they were counted by hand.
        let december = told(&app, "from=2010-12-01&to=2010-12-31&interval=day").await;
        let (purchases, units, gross, refunds, count, ended, buyers) = if is_whole {
            (9_870, 90_501, 18_424_833, 358_058, 100, 94, 341)
        } else {
            (990, 12_925, 2_470_538, 19_913, 10, 9, 47)
        };
        for (name, expected) in [
            ("/purchases", json!(purchases)),
            ("/units", json!(units)),
            ("/ended", json!(ended)),
            ("/buyers/count", json!(buyers)),
            ("/buyers/exact", json!(true)),
            ("/currencies/0/gross", json!(gross)),
            ("/currencies/0/refunds", json!(refunds)),
            ("/currencies/0/totalRefunds", json!(count)),
            ("/currencies/0/net", json!(gross - refunds)),
        ] {
            assert_eq!(december.pointer(name), Some(&expected), "{run} run: {name}");
        }

        let all = told(&app, &format!("from={FIRST}&to={LAST}&interval=month")).await;
        let now = (loaded.purchases, app.items("PurchasesTable"), december, all);
        assert_eq!(first.get_or_insert_with(|| now.clone()), &now, "{run} run");
    }
    app.finish().await;
}
