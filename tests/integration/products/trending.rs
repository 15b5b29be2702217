//! Trending products: the most viewed ones that can be purchased.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use http::Method;
use local::wire::ClientOptions;
use serde_json::{Value, json};
use system::clock::Clock;

use super::api::{Api, BOB, EVE, SAM, assert_invalid_field, counted};
use super::deletion::{delete, is_gone};
use crate::support::app::Answer;

const TRENDING: &str = "/api/products/trending";
const MOMENT: &str = "2026-04-10T12:00:00.000Z";

/// Products, and how many looked at them.
type Viewed = Vec<(String, u64)>;

fn viewed(products: &[(&str, u64)]) -> Viewed {
    products.iter().map(|(id, views)| ((*id).to_owned(), *views)).collect()
}

fn told(page: &Value) -> Viewed {
    let one = |product: &Value| (product["productId"].as_str().unwrap().to_owned(), product["views"].as_u64().unwrap());
    page["products"].as_array().unwrap().iter().map(one).collect()
}

/// A page, as it is at the moment; the query begins with `?`.
async fn peek(api: &Api, query: &str, headers: &[(&str, &str)]) -> Answer {
    api.send((Method::GET, TRENDING), query, headers, "").await
}

/// A page, when everything has reached it.
async fn page(api: &Api, query: &str) -> Value {
    api.app.settled().await;
    let answer = peek(api, query, &[]).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    answer.body
}

/// All pages in one list; none exceeds the limit. `between` runs after each page.
async fn pages(api: &Api, query: &str, limit: usize, mut between: impl AsyncFnMut(usize)) -> Viewed {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    for at in 1..50 {
        let page = page(api, &format!("{query}&limit={limit}{cursor}")).await;
        let products = told(&page);
        assert!(products.len() <= limit, "{limit}: {page}");
        all.extend(products);
        let Some(next) = page["cursor"].as_str() else { return all };
        cursor = format!("&cursor={next}");
        between(at).await;
    }
    panic!("it never ends");
}

/// These sessions look at a product for the first time in the month.
async fn draws(api: &Api, id: &str, sessions: std::ops::Range<usize>) {
    for session in sessions {
        assert!(api.counts(&format!("s{session}"), id).await, "{id} {session}");
    }
    api.app.settled().await;
}

/// Mugs of Eve's that so many looked at, one after the other, on boards of that many parts.
async fn shop(shards: &str, viewers: &[usize]) -> Api {
    let api = Api::start_with(MOMENT, |options| {
        options.parameters.insert("BoardShards".to_owned(), shards.to_owned());
    });
    let api = api.await;
    for (at, count) in viewers.iter().enumerate() {
        let id = format!("mug-{at}");
        api.becomes(EVE, &id, "active").await;
        draws(&api, &id, 0..*count).await;
    }
    api
}

#[tokio::test(flavor = "multi_thread")]
async fn most_viewed_product_is_first() {
    let api = Api::start().await;
    // The jug has no views.
    for (who, id) in [(EVE, "mug"), (BOB, "cup"), (EVE, "jug")] {
        api.is(who, id, &json!({"title": id, "price": 7, "currency": "EUR"})).await;
    }
    for (session, id, counts) in [("s1", "mug", true), ("s1", "mug", false), ("s1", "cup", true), ("s2", "cup", true)] {
        assert_eq!(api.counts(session, id).await, counts);
    }
    assert!(!counted(&api.looks_as(EVE, "mug", &json!({})).await));
    assert!(counted(&api.looks_as(SAM, "cup", &json!({})).await));
    let of = |id, who, views| json!({"productId": id, "sellerId": who, "title": id, "price": 7, "currency": "EUR", "views": views});
    for (query, period) in [("", "2026-04"), ("?period=2026-04", "2026-04"), ("?period=all", "all")] {
        let mut page = page(&api, query).await;
        assert!(page.as_object_mut().unwrap().remove("asOf").is_some());
        let reset = if period == "all" { Value::Null } else { json!("2026-05-01T00:00:00.000Z") };
        let products = [of("cup", "bob", 3), of("mug", "eve", 1)];
        assert_eq!(page, json!({"period": period, "products": products, "nextResetAt": reset, "cursor": null}));
    }
    // The list shows the current product.
    api.is(EVE, "mug", &json!({"title": "Bowl", "price": 8})).await;
    let bowl = &page(&api, "").await["products"][1];
    assert_eq!((&bowl["title"], &bowl["price"], &bowl["currency"]), (&json!("Bowl"), &json!(8), &json!("USD")));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn omits_products_while_they_are_not_purchasable() {
    let api = shop("2", &[3, 2, 1]).await;
    for becomes in ["sold", "draft", "deleted"] {
        match becomes {
            "deleted" => is_gone(&delete(&api, EVE, "mug-1", &[]).await),
            _ => drop(api.becomes(EVE, "mug-1", becomes).await),
        }
        for query in ["", "?period=all", "?limit=2"] {
            let left = page(&api, query).await;
            let others = viewed(&[("mug-0", 3), ("mug-2", 1)]);
            assert_eq!((told(&left), &left["cursor"]), (others, &Value::Null), "{becomes} {query}");
        }
        api.becomes(EVE, "mug-1", "active").await;
        for query in ["", "?period=all"] {
            let all = viewed(&[("mug-0", 3), ("mug-1", 2), ("mug-2", 1)]);
            assert_eq!(told(&page(&api, query).await), all, "{becomes} {query}");
        }
    }
    for id in ["mug-0", "mug-1", "mug-2"] {
        api.becomes(EVE, id, "sold").await;
    }
    let none = page(&api, "?limit=1").await;
    assert_eq!((told(&none), &none["cursor"]), (vec![], &Value::Null));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ties_rank_by_time_reached() {
    let api = shop("3", &[0, 0, 0]).await;
    for id in ["mug-1", "mug-2", "mug-0"] {
        draws(&api, id, 0..1).await;
    }
    assert_eq!(told(&page(&api, "").await), viewed(&[("mug-1", 1), ("mug-2", 1), ("mug-0", 1)]));
    for id in ["mug-2", "mug-1"] {
        draws(&api, id, 1..2).await;
    }
    // That it was away for a while changes nothing.
    for status in ["sold", "active"] {
        api.becomes(EVE, "mug-2", status).await;
    }
    for query in ["", "?period=all"] {
        assert_eq!(told(&page(&api, query).await), viewed(&[("mug-2", 2), ("mug-1", 2), ("mug-0", 1)]));
    }
    api.app.finish().await;
}

/// A clock that does not move.
struct Still(DateTime<Utc>);

impl Clock for Still {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ties_of_one_moment_rank_by_id() {
    let api = Api::start_with(MOMENT, |options| options.clock = Arc::new(Still(MOMENT.parse().unwrap()))).await;
    for id in ["b", "d", "a", "c"] {
        api.becomes(EVE, id, "active").await;
        draws(&api, id, 0..1).await;
    }
    assert_eq!(told(&page(&api, "").await), viewed(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_month_has_its_list() {
    let api = Api::at("2026-04-30T23:59:00.000Z").await;
    for (id, viewers) in [("a", 2), ("b", 1)] {
        api.becomes(EVE, id, "active").await;
        draws(&api, id, 0..viewers).await;
    }
    api.until("2026-05-01T00:00:00.000Z").await;
    let empty = page(&api, "").await;
    assert_eq!((&empty["period"], &empty["products"]), (&json!("2026-05"), &json!([])));
    assert_eq!(empty["nextResetAt"], "2026-06-01T00:00:00.000Z");
    // Viewers of April count again.
    draws(&api, "b", 0..3).await;
    assert_eq!(told(&page(&api, "").await), viewed(&[("b", 3)]));
    let april = page(&api, "?period=2026-04").await;
    assert_eq!((told(&april), &april["nextResetAt"]), (viewed(&[("a", 2), ("b", 1)]), &Value::Null));
    assert_eq!(told(&page(&api, "?period=all").await), viewed(&[("b", 4), ("a", 2)]));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_concatenate_to_whole_list() {
    for shards in ["1", "2", "5"] {
        let api = shop(shards, &[1, 3, 2, 2, 1, 2, 4, 0]).await;
        let mut left = viewed(&[("mug-6", 4), ("mug-1", 3), ("mug-2", 2), ("mug-3", 2), ("mug-5", 2)]);
        left.extend(viewed(&[("mug-0", 1), ("mug-4", 1)]));
        for sold in ["mug-7", "mug-2", "mug-6", "mug-4"] {
            api.becomes(EVE, sold, "sold").await;
            left.retain(|(id, _)| id != sold);
            for (query, limit) in [("?period=2026-04", 1), ("?period=all", 2), ("?period=all", 3), ("?period=all", 100)]
            {
                let pages = pages(&api, query, limit, async |_| {}).await;
                assert_eq!(pages, left, "{query} {limit} of {shards} without {sold}");
            }
        }
        api.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unmoved_products_appear_once_while_others_move() {
    for limit in [1, 2] {
        let api = shop("2", &[4, 3, 3, 2, 2, 1, 1]).await;
        let met = pages(&api, "?period=all", limit, async |page| match page {
            // The last overtakes all, another some; one is sold, and another deleted.
            1 => draws(&api, "mug-6", 1..6).await,
            2 => draws(&api, "mug-4", 2..4).await,
            3 => drop(api.becomes(EVE, "mug-5", "sold").await),
            4 => is_gone(&delete(&api, EVE, "mug-1", &[]).await),
            _ => {}
        });
        let mut met: Vec<String> = met.await.into_iter().map(|(id, _)| id).collect();
        met.sort();
        assert!(["mug-0", "mug-2", "mug-3"].iter().all(|id| met.contains(&(*id).to_owned())), "{limit}: {met:?}");
        assert!(met.windows(2).all(|two| two[0] != two[1]), "twice in pages of {limit}: {met:?}");
        api.app.finish().await;
    }
}

/// Writes this many places of deleted products with the highest values.
fn sold_out(api: &Api, count: usize) {
    for at in 0..count {
        let place = json!({
            "pk": {"S": "BOARD#PRODUCT.VIEWS#all#0"}, "sk": {"S": format!("{:020}#{MOMENT}#gone-{at}", u64::MAX - 99)},
        });
        let request = json!({"TableName": api.app.cloud.table("StatsTable").unwrap(), "Item": place});
        let written = api.app.cloud.database().call("PutItem", &request.to_string(), &ClientOptions::default());
        assert!(written.is_ok(), "{written:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_page_may_have_cursor() {
    let api = shop("2", &[2, 1]).await;
    sold_out(&api, 600);
    let first = page(&api, "?period=all").await;
    assert!(told(&first).is_empty() && first["cursor"].is_string(), "{first}");
    for limit in [1, 20, 100] {
        let all = pages(&api, "?period=all", limit, async |_| {}).await;
        assert_eq!(all, viewed(&[("mug-0", 2), ("mug-1", 1)]), "{limit}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unchanged_list_is_not_modified() {
    let api = shop("2", &[2, 1]).await;
    for (session, query) in [(2, ""), (3, "?period=all"), (4, "?limit=1")] {
        let tag = peek(&api, query, &[]).await.header("etag").to_owned();
        let again = async || peek(&api, query, &[("if-none-match", &tag)]).await;
        assert_eq!((again().await.status.as_u16(), again().await.header("etag")), (304, &*tag), "{query}");
        draws(&api, "mug-0", session..session + 1).await;
        assert_eq!(again().await.status, 200, "{query}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_query_parameter() {
    let api = shop("2", &[2, 1]).await;
    api.becomes(BOB, "cup", "active").await;
    draws(&api, "cup", 0..1).await;
    let cursor = page(&api, "?limit=1").await["cursor"].as_str().unwrap().to_owned();
    let of_sellers = api.board("?metric=views&limit=1").await["cursor"].as_str().unwrap().to_owned();
    let last = if cursor.ends_with('0') { '1' } else { '0' };
    let tampered = format!("{}{last}", &cursor[..cursor.len() - 1]);
    for limit in ["0", "101", "1.5", "", "1&limit=2"] {
        assert_invalid_field(&peek(&api, &format!("?limit={limit}"), &[]).await, 400, "limit");
    }
    for period in ["2026-13", "2026-1", "ALL", ""] {
        assert_invalid_field(&peek(&api, &format!("?period={period}"), &[]).await, 400, "period");
    }
    for (period, cursor) in
        [("2026-04", ""), ("2026-04", &*tampered), ("2026-04", &*of_sellers), ("all", &*cursor), ("2026-03", &*cursor)]
    {
        assert_invalid_field(&peek(&api, &format!("?period={period}&cursor={cursor}"), &[]).await, 400, "cursor");
    }
    assert_invalid_field(&api.peek(&format!("?metric=views&cursor={cursor}")).await, 400, "cursor");
    // It is good for the same list by its name, and for pages of another size.
    for same in ["limit=1", "period=2026-04&limit=1", "limit=100"] {
        let next = page(&api, &format!("?{same}&cursor={cursor}")).await;
        assert_eq!(told(&next)[0], ("mug-1".to_owned(), 1), "{same}");
    }
    api.app.finish().await;
}
