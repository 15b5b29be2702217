//! Answers about boards match a full count.

use std::collections::BTreeMap;

use runtime::function::Invoke;
use serde_json::{Value, json};

use super::actions::SELLERS;
use super::check::{Board, Expected, Place, places};
use crate::support::stage::{Stage, http, invoke, person, start};

/// Every metric and currency, as queries and as keys name it. Nothing is sold in the last one.
const METRICS: [(&str, &str); 5] = [
    ("metric=sales", "SALES"),
    ("metric=views", "VIEWS"),
    ("metric=revenue&currency=USD", "REVENUE.USD"),
    ("metric=revenue&currency=EUR", "REVENUE.EUR"),
    ("metric=revenue&currency=JPY", "REVENUE.JPY"),
];

/// Every season in which anything can have happened.
const SEASONS: [&str; 5] = ["all", "2025-11", "2025-12", "2026-01", "2026-02"];

/// An entry of a board: rank, seller, value.
type Entry = (u64, String, u64);

async fn ask(function: &dyn Invoke, query: &str) -> (u64, Value) {
    ask_as(function, &json!({}), query).await
}

async fn ask_as(function: &dyn Invoke, caller: &Value, query: &str) -> (u64, Value) {
    let mut request = http("GET /api/leaderboard", caller, &json!({}), None, &json!(null));
    request["rawQueryString"] = json!(query);
    let parameters = query.split('&').filter_map(|part| part.split_once('='));
    request["queryStringParameters"] =
        parameters.map(|(name, value)| (name.to_owned(), json!(value))).collect::<serde_json::Map<_, _>>().into();
    let answer = invoke(function, &request).await.unwrap();
    let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    (answer["statusCode"].as_u64().unwrap(), body)
}

fn entries(body: &Value) -> Vec<Entry> {
    let entries = body["entries"].as_array().into_iter().flatten();
    let whole = |value: &Value| value.as_u64().unwrap();
    entries
        .map(|entry| (whole(&entry["rank"]), entry["sellerId"].as_str().unwrap().to_owned(), whole(&entry["value"])))
        .collect()
}

/// All pages of a board put together.
async fn pages(function: &dyn Invoke, board: &str, limit: usize) -> Vec<Entry> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, body) = ask(function, &format!("{board}&limit={limit}{cursor}")).await;
        assert_eq!(status, 200, "{board}: {body}");
        let page = entries(&body);
        let goes_on = body["cursor"].as_str();
        assert!(page.len() == limit || goes_on.is_none() && page.len() < limit, "{board}: {body}");
        assert!(!page.is_empty() || cursor.is_empty(), "{board} does not go on, but was said to");
        all.extend(page);
        match goes_on {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// The answers that differ from a full count.
pub(super) async fn wrong(stage: &Stage) -> Vec<String> {
    let (expected, mut wrong) = Expected::of(stage);
    let lying = places(&stage.scan("Stats"));
    let function = start(&stage.boot("reader", None, "UTC"), get_leaderboard::FUNCTION);
    let asked = METRICS.iter().flat_map(|metric| SEASONS.map(|season| (metric, season)));
    for ((query, metric), season) in asked {
        let board = (metric.to_string(), season.to_owned());
        let values = expected.boards.get(&board).cloned().unwrap_or_default();
        // Equal values rank by the time they were reached, which only the stored places contain.
        let place_of =
            |seller: &str| lying.get(&board).and_then(|board| board.iter().position(|place| place.id == seller));
        let mut ordered: Vec<(String, u64)> = values.into_iter().collect();
        ordered.sort_by_key(|(seller, value)| (std::cmp::Reverse(*value), place_of(seller)));
        let rank = |value: u64| 1 + ordered.iter().filter(|(_, other)| *other > value).count() as u64;
        let all: Vec<Entry> = ordered.iter().map(|(seller, value)| (rank(*value), seller.clone(), *value)).collect();

        let query = format!("{query}&period={season}");
        let mut is = |what: &str, told: &[Entry], expected: &[Entry]| {
            if told != expected {
                wrong.push(format!("{query}, {what}: told {told:?}, expected {expected:?}"));
            }
        };
        // A seller without a place is requested once per period.
        if all.is_empty() && *metric != "REVENUE.JPY" {
            continue;
        }
        is("all", &pages(&*function, &query, 100).await, &all);
        for limit in [1, 2].into_iter().filter(|limit| *limit <= all.len()) {
            is(&format!("pages of {limit}"), &pages(&*function, &query, limit).await, &all);
        }
        for seller in SELLERS.into_iter().filter(|_| !all.is_empty()) {
            let is_first = all.first().is_some_and(|(_, first, _)| first == seller);
            for (limit, count) in [("&limit=1", 1), ("", 5)].into_iter().take(1 + usize::from(is_first)) {
                let (status, body) = ask(&*function, &format!("{query}&around={seller}{limit}")).await;
                let told = if status == 200 { entries(&body) } else { Vec::new() };
                let at = all.iter().position(|(_, other, _)| other == seller);
                let around = at.map(|at| &all[at.saturating_sub(count)..all.len().min(at + count + 1)]);
                assert!(matches!(status, 200 | 404), "{body}");
                is(&format!("around {seller}{limit}"), &told, around.unwrap_or_default());
            }
        }
    }
    wrong.extend(trending(stage, &expected, &lying).await);
    wrong.extend(dashboards(stage, &expected, &*function).await);
    wrong
}

/// The answers about trending products that differ from a full count.
async fn trending(stage: &Stage, expected: &Expected, lying: &BTreeMap<Board, Vec<Place>>) -> Vec<String> {
    let function = start(&stage.boot("reader", None, "UTC"), list_trending_products::FUNCTION);
    let mut wrong = Vec::new();
    for season in SEASONS {
        let board = ("PRODUCT.VIEWS".to_owned(), season.to_owned());
        let values = expected.boards.get(&board).cloned().unwrap_or_default();
        let place_of = |id: &str| lying.get(&board).and_then(|board| board.iter().position(|place| place.id == id));
        let mut ordered: Vec<(String, u64)> = values.into_iter().collect();
        ordered.sort_by_key(|(product, value)| (std::cmp::Reverse(*value), place_of(product)));
        ordered.retain(|(product, _)| expected.active.contains(product));
        for limit in [100, 1, 2] {
            let (mut told, mut cursor) = (Vec::new(), String::new());
            loop {
                let (status, body) = ask(&*function, &format!("period={season}&limit={limit}{cursor}")).await;
                assert_eq!(status, 200, "{body}");
                let products = body["products"].as_array().unwrap().iter();
                let one = |one: &Value| (one["productId"].as_str().unwrap().to_owned(), one["views"].as_u64().unwrap());
                told.extend(products.map(one));
                match body["cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            if told != ordered {
                wrong.push(format!("trending in {season}, by {limit}: told {told:?}, expected {ordered:?}"));
            }
        }
    }
    wrong
}

/// The answers to sellers that differ from their products or from the boards.
async fn dashboards(stage: &Stage, expected: &Expected, boards: &dyn Invoke) -> Vec<String> {
    let function = start(&stage.boot("reader", None, "UTC"), get_seller_dashboard::FUNCTION);
    let mut wrong = Vec::new();
    for seller in SELLERS {
        let (status, told) = ask_as(&*function, &person(seller, "seller"), "").await;
        assert_eq!(status, 200, "{told}");
        let number = |of: &str| expected.number(&format!("SELLER#{seller}/{of}"));
        let mut is = |what: String, told: &Value, expected: Value| {
            if *told != expected {
                wrong.push(format!("{seller} is told {what} {told}, expected {expected}"));
            }
        };
        for (name, of) in [
            ("activeListings", "ACTIVE/listings"),
            ("activeViews", "ACTIVE/views"),
            ("totalViews", "T/views"),
            ("itemsSold", "T/sales"),
        ] {
            is(name.to_owned(), &told[name], json!(number(of)));
        }
        let earned = ["USD", "EUR"].map(|code| (code.to_owned(), number(&format!("T/revenue#{code}"))));
        let earned: BTreeMap<String, i64> = earned.into_iter().filter(|(_, sum)| *sum != 0).collect();
        is("totalEarnings".to_owned(), &told["totalEarnings"], json!(earned));
        for part in ["month", "allTime"] {
            let period = told[part]["period"].as_str().unwrap();
            for (query, pointer, value) in [
                ("metric=sales", "itemsSold", "count"),
                ("metric=views", "views", "count"),
                ("metric=revenue&currency=USD", "earnings/USD", "amount"),
                ("metric=revenue&currency=EUR", "earnings/EUR", "amount"),
            ] {
                let (_, board) = ask(boards, &format!("{query}&period={period}&around={seller}")).await;
                let on_board = entries(&board).into_iter().find(|(_, other, _)| other == seller);
                let shown = told[part].pointer(&format!("/{pointer}")).cloned().unwrap_or_default();
                let rank = on_board.as_ref().map(|(rank, _, _)| *rank);
                is(format!("{part} {pointer}"), &shown["rank"], json!(rank));
                let has = shown[value].as_i64().unwrap_or_default();
                is(format!("{part} {pointer}"), &json!(has), json!(on_board.map_or(0, |(_, _, value)| value)));
            }
        }
    }
    wrong
}
