//! Pages of a board: together they are the whole, also while it changes.

use std::collections::BTreeMap;

use super::api::{Api, Place, assert_invalid_field, told};

/// Sellers with this many sales each, on boards with this many shards.
async fn shop(shards: &str, sales: &[usize]) -> Api {
    let api = Api::start_with("2026-04-10T12:00:00.000Z", |options| {
        options.parameters.insert("BoardShards".to_owned(), shards.to_owned());
    });
    let api = api.await;
    let sold = sales.iter().enumerate().map(|(at, count)| {
        let (api, seller) = (&api, format!("seller-{at}"));
        async move { api.sells(&seller, *count).await }
    });
    futures::future::join_all(sold).await;
    api.app.settled().await;
    api
}

/// All pages of a board; `between` happens after each.
async fn pages(api: &Api, query: &str, limit: usize, mut between: impl AsyncFnMut(usize)) -> Vec<Vec<Place>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = api.peek(&format!("{query}&limit={limit}{cursor}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        pages.push(told(&answer.body));
        assert!(pages.len() < 50, "it never ends");
        let Some(next) = answer.body["cursor"].as_str() else { return pages };
        cursor = format!("&cursor={next}");
        between(pages.len()).await;
    }
}

/// Asserts that these are ranks as they should be: as many have more, and one.
#[track_caller]
fn are_ranked(places: &[Place]) {
    for (rank, who, value) in places {
        let ahead = places.iter().filter(|(_, _, other)| other > value).count() as u64;
        assert_eq!(*rank, ahead + 1, "{who} in {places:?}");
    }
    assert!(places.is_sorted_by_key(|(_, _, value)| std::cmp::Reverse(*value)), "{places:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_concatenate_to_whole_board() {
    let sales = [1, 3, 2, 2, 1, 2, 4];
    for shards in ["1", "2", "5"] {
        let api = shop(shards, &sales).await;
        for query in ["?metric=sales", "?period=all", "?metric=revenue&currency=USD"] {
            let whole = api.places(query).await;
            are_ranked(&whole);
            let mut had: Vec<u64> = whole.iter().map(|(_, _, value)| *value).collect();
            let price = if query.contains("revenue") { 999 } else { 1 };
            had.sort_unstable();
            assert_eq!(had, [1, 1, 2, 2, 2, 3, 4].map(|sales| sales * price), "{query}");
            for limit in [1, 2, 3, 6, 7, 100] {
                let pages = pages(&api, query, limit, async |_| {}).await;
                assert_eq!(pages.len(), sales.len().div_ceil(limit), "{query} {limit}: no page is empty");
                assert_eq!(pages.concat(), whole, "{query} {limit} of {shards}");
            }
        }
        api.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cursor_is_bound_to_its_board() {
    let api = shop("2", &[1, 2]).await;
    let cursor = api.board("?limit=1").await["cursor"].as_str().unwrap().to_owned();
    let last = if cursor.ends_with('0') { '1' } else { '0' };
    let tampered = format!("{}{last}", &cursor[..cursor.len() - 1]);
    for other in ["", "x", "0123456789abcdef", tampered.as_str()] {
        assert_invalid_field(&api.peek(&format!("?limit=1&cursor={other}")).await, 400, "cursor");
    }
    for board in ["metric=views", "period=all", "period=2026-03", "metric=revenue&currency=USD"] {
        assert_invalid_field(&api.peek(&format!("?{board}&cursor={cursor}")).await, 400, "cursor");
    }
    // The same board by its name, and by pages of another size.
    for same in ["limit=1", "metric=sales&period=2026-04", "limit=100"] {
        assert_eq!(api.places(&format!("?{same}&cursor={cursor}")).await, [(2, "seller-0".to_owned(), 1)], "{same}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unmoved_sellers_appear_once_while_others_move() {
    let sales = [5, 4, 4, 3, 3, 2, 2, 1, 1];
    // The last one overtakes all, another one overtakes some, and a new one joins.
    let movers = ["seller-8", "seller-5", "new"];
    for limit in [1, 2, 4] {
        let api = shop("2", &sales).await;
        let pages = pages(&api, "?metric=sales", limit, async |page| {
            match page {
                1 => api.sells("seller-8", 6).await,
                2 => api.sells("seller-5", 3).await,
                3 => api.sells("new", 2).await,
                _ => {}
            }
            api.app.settled().await;
        });
        let mut met: BTreeMap<String, usize> = BTreeMap::new();
        for (_, who, _) in pages.await.concat() {
            *met.entry(who).or_default() += 1;
        }
        for who in (0..sales.len()).map(|at| format!("seller-{at}")) {
            let times = met.get(&who).copied().unwrap_or_default();
            assert!(times == 1 || movers.contains(&who.as_str()), "{who} is met {times} times in pages of {limit}");
        }
        api.app.finish().await;
    }
}
