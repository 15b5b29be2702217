//! A point-in-time restore, as `docs/restore.md` describes it: tables of one moment under a new cloud, whose streams do
//! not contain what happened before.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use domain::refold::System;
use http::Method;
use local::cloud::{LocalCloud, Options, kept_database};
use local::wire::{Call, ClientOptions, Fault};
use serde_json::{Value, json};
use system::clock::{Clock as _, SystemClock};

use super::market::{Dump, Market};
use crate::support::app::{App, ago, event};

/// The tables that can be restored.
const TABLES: [&str; 5] = ["EventsTable", "InteractionsTable", "PurchasesTable", "StateTable", "StatsTable"];

/// The stream consumers that fold facts.
const UPDATERS: [&str; 4] =
    ["CounterUpdaterFunction", "PackageStatsUpdaterFunction", "LeaderboardUpdaterFunction", "RevenueUpdaterFunction"];

/// A market whose updaters reach nothing while this is set.
async fn market_that_may_lag(lags: &Arc<AtomicBool>) -> Market {
    let lags = Arc::clone(lags);
    let fault = move |call: &Call| {
        let fails = lags.load(Ordering::SeqCst) && UPDATERS.contains(&call.function.as_str());
        if fails { Fault::ServerError } else { Fault::None }
    };
    Market::with(App::start_with(|options| options.faults = Some(Arc::new(fault))).await).await
}

/// Something happens in every system, and something of two days ago comes in.
async fn go_on(market: &mut Market, name: &str) {
    market.goes_on().await;
    let late = event(name, &json!({"timestamp": ago(TimeDelta::days(2)), "sessionId": name}));
    let answer = market.app.post_as("admin", &json!([late])).await;
    assert_eq!(answer.body["accepted"], 1, "{answer:?}");
}

async fn done(market: &Market, method: Method, path: &str, body: &Value) -> Value {
    let answer = market.call("admin", method, path, body).await;
    assert!(answer.status.is_success(), "{path}: {answer:?}");
    answer.body
}

/// A new cloud over tables that have these items, and empty streams.
async fn restored(tables: &BTreeMap<&'static str, Dump>, folder: &Path) -> App {
    let options = Options { state: Some(folder.to_owned()), ..Options::of_workspace() };
    let cloud = LocalCloud::start(options).await.unwrap();
    let template = cloud.template();
    let (configs, mappings) = (template.tables.clone(), template.stream_mappings.clone());
    cloud.stop().await;
    let database = kept_database(folder).unwrap().unwrap();
    database.create_tables(&configs).unwrap();
    for (table, items) in tables {
        let name = &configs.iter().find(|config| config.logical_id == *table).unwrap().name;
        for item in items.values() {
            let put = json!({"TableName": name, "Item": item}).to_string();
            let answer = database.call("PutItem", &put, &ClientOptions::default());
            assert!(answer.is_ok(), "{answer:?}");
        }
    }
    // The writes of a restore are not stream records.
    for mapping in mappings {
        let reader = format!("{}/{}", mapping.function, mapping.table);
        database.set_checkpoint(&reader, database.last_sequence(&mapping.table).unwrap()).unwrap();
    }
    drop(database);
    App::start_with(|options| options.state = Some(folder.to_owned())).await
}

/// Refolds all facts within their retention, and everything derived from them.
async fn fold_again(market: &Market) {
    let mut begun = Vec::new();
    for system in System::ALL {
        for days in 0..=8 {
            let day = (SystemClock.now() - TimeDelta::days(days)).format("%Y-%m-%d").to_string();
            let refold = json!({"system": system, "day": day});
            begun.push(done(market, Method::POST, "/api/admin/refolds", &refold).await);
        }
    }
    market.app.settled().await;
    for refold in begun {
        let path = format!("/api/admin/refolds/{}", refold["refoldId"].as_str().unwrap());
        let told = done(market, Method::GET, &path, &Value::Null).await;
        assert_eq!((&told["status"], &told["units"]["failed"]), (&json!("done"), &json!(0)), "{told}");
    }
    done(market, Method::POST, "/api/admin/packages/refresh", &Value::Null).await;
    done(market, Method::POST, "/api/admin/audits", &Value::Null).await;
    market.app.settled().await;
    close(market).await;
}

async fn close(market: &Market) {
    market.app.invoke("RollupDispatcherFunction", &json!({})).await.unwrap();
    market.app.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn point_in_time_restore_recovers_all_accepted_facts() {
    let lags = Arc::new(AtomicBool::new(false));
    let mut market = market_that_may_lag(&lags).await;
    for name in ["first", "second"] {
        go_on(&mut market, name).await;
    }
    market.app.settled().await;
    close(&market).await;

    // At this moment every updater is behind: some accepted facts are in no figure yet.
    lags.store(true, Ordering::SeqCst);
    for name in ["third", "fourth"] {
        go_on(&mut market, name).await;
    }
    let other = json!({"title": "Algebra", "price": 500, "currency": "INR", "quizIds": ["quiz-1", "quiz-2"]});
    done(&market, Method::PUT, "/api/packages/pack", &other).await;
    let moment: BTreeMap<&'static str, Dump> = TABLES.map(|table| (table, market.dump(table))).into();
    lags.store(false, Ordering::SeqCst);
    market.app.settled().await;
    close(&market).await;
    let right = market.told().await;

    let folder = tempfile::tempdir().unwrap();
    let mut again = market.in_cloud(restored(&moment, folder.path()).await);
    let behind = again.told().await;
    for (path, told) in &right {
        assert_ne!(behind[path], *told, "{path} was behind by nothing");
    }
    fold_again(&again).await;
    assert_eq!(again.told().await, right);
    // A second time changes nothing, and what comes later is counted on top of it.
    fold_again(&again).await;
    assert_eq!(again.told().await, right);
    again.goes_on().await;
    assert_ne!(again.told().await, right);
    assert_eq!(market.told().await, right, "the old cloud counts what the new one was sent");
    again.app.finish().await;
    market.app.finish().await;
}
