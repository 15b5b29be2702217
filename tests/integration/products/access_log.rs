//! The requests of a real access log are views of products, and the figures match the file.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use http::Method;
use replay::access_log as requests;
use replay::play::Reading;
use serde_json::json;

use super::api::{Api, Person, counted, mug};
use crate::support::data::{access_log, is_ci};

/// Client and path of each request line, parsed independently of the replay.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let address = line.split(' ').next()?;
        let target = line.split('"').nth(1)?.split(' ').nth(1)?;
        Some((address, target.split(['?', '#']).next()?))
    })
}

/// Requests at the same time.
const AT_ONCE: usize = 8;

/// The number of sellers, who get the paths in turn.
const SELLERS: usize = 16;

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_access_log), ignore = "needs ../shared/data/apache_access_10k.log; then touch tests/build.rs")]
async fn board_views_match_access_log() {
    // Each line is a request of its own.
    let text = access_log(if is_ci() { usize::MAX } else { 1_000 });
    let (requests, unreadable) = requests::read(&text);
    assert!(unreadable.is_empty(), "{unreadable:?}");
    let reading = Reading { track_prefix: String::new(), site: String::new() };
    let views: Vec<(String, String)> =
        requests.iter().map(|request| reading.play(request)).map(|play| (play.track_id, play.session_id)).collect();
    let viewers = pairs(&text).fold(BTreeMap::<&str, BTreeSet<&str>>::new(), |mut viewers, (address, path)| {
        viewers.entry(path).or_default().insert(address);
        viewers
    });
    // The order of the lines decides which path is which product.
    assert_eq!(views.len(), pairs(&text).count());
    let path_of: BTreeMap<&str, &str> =
        views.iter().zip(pairs(&text)).map(|((product, _), (_, path))| (product.as_str(), path)).collect();
    assert_eq!(path_of.len(), viewers.len());
    let sellers: BTreeMap<&str, String> =
        path_of.keys().zip(0..).map(|(product, at)| (*product, format!("seller-{}", at % SELLERS))).collect();

    let api = Api::start().await;
    stream::iter(&sellers)
        .map(|(product, seller)| async { api.put(Person(seller, "seller"), product, &[], &mug(&json!({}))).await })
        .buffer_unordered(AT_ONCE)
        .for_each(|answer| async move { assert_eq!(answer.status, 201, "{answer:?}") })
        .await;
    let headers = [("content-type", "application/json"), ("x-write-key", api.app.cloud.write_key())];
    let all = stream::iter(&views).map(|(product, session)| {
        let body = json!({"sessionId": session}).to_string();
        let path = format!("/api/products/{product}/views");
        let (api, headers) = (&api, &headers);
        async move { u64::from(counted(&api.app.send(Method::POST, &path, headers, body).await)) }
    });
    let counted = all.buffer_unordered(AT_ONCE).fold(0, |sum, one| async move { sum + one }).await;
    let distinct = |product: &str| viewers[path_of[product]].len() as u64;
    assert_eq!(counted, path_of.keys().map(|product| distinct(product)).sum::<u64>());

    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for (product, seller) in &sellers {
        *expected.entry(seller.clone()).or_default() += distinct(product);
    }
    for board in ["?metric=views&limit=100", "?metric=views&period=all&limit=100"] {
        let places = api.places(board).await.into_iter();
        assert_eq!(places.map(|(_, seller, views)| (seller, views)).collect::<BTreeMap<_, _>>(), expected);
    }
    let (mut told, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = api.send((Method::GET, "/api/products/trending"), &format!("?limit=100{cursor}"), &[], "").await;
        for one in page.body["products"].as_array().unwrap() {
            let product = one["productId"].as_str().unwrap().to_owned();
            let is_new = told.insert(product, one["views"].as_u64().unwrap()).is_none();
            assert!(is_new, "told twice: {one}");
        }
        let Some(next) = page.body["cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(told, path_of.keys().map(|product| ((*product).to_owned(), distinct(product))).collect());
    api.app.finish().await;
}
