//! Which items are ahead.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{NOON, amounts, each, figures, given_back, shop, sold, told};
use crate::purchases::api::Api;

#[tokio::test(flavor = "multi_thread")]
async fn top_items_rank_by_purchases_and_revenue_of_currency() {
    let api = shop().await;
    let query = "?from=2026-01-01&to=2026-03-31";
    let top = &api.analytics(query).await["top"];
    let items = &top["byPurchases"]["items"];
    assert_eq!((&items[0]["itemType"], &items[0]["itemId"]), (&json!("course"), &json!("algebra")));
    assert_eq!(told(&items[0]), figures([2, 2, 1], &[amounts("USD", 2, 3_000, 2_500, 2)]));
    assert_eq!(each(items, "/purchases"), json!([2, 1, 1, 1, 1, 1, 1]));
    // The currency with the most purchases is the default.
    for currency in ["", "&currency=EUR"] {
        let by_revenue = &api.analytics(&format!("{query}{currency}")).await["top"]["byRevenue"];
        assert_eq!((&by_revenue["currency"], &by_revenue["exact"]), (&json!("EUR"), &json!(true)));
        assert_eq!(each(&by_revenue["items"], "/itemId"), json!(["geometry", "cup", "quiz", "finals"]));
        assert_eq!(each(&by_revenue["items"], "/currencies/0/net"), json!([900, 700, 600, 500]));
    }
    for (days, ahead) in [
        (query, vec![("p", 3_000), ("algebra", 500)]),
        ("?from=2026-02-01&to=2026-02-28", vec![("p", 3_000), ("algebra", 1_500)]),
        ("?from=2026-02-10&to=2026-03-01", vec![("p", 3_000)]),
        ("?from=2026-02-03&to=2026-02-03", vec![("algebra", 2_000)]),
        ("?from=2026-03-01&to=2026-03-31", vec![]),
    ] {
        let by_revenue = &api.analytics(&format!("{days}&currency=USD")).await["top"]["byRevenue"];
        let (names, net): (Vec<&str>, Vec<i64>) = ahead.into_iter().unzip();
        assert_eq!(each(&by_revenue["items"], "/itemId"), json!(names), "{days}");
        assert_eq!(each(&by_revenue["items"], "/currencies/0/net"), json!(net), "{days}");
    }
    api.app.finish().await;
}

/// A sale or a refund of an item on a day.
struct Fact {
    item: String,
    day: String,
    paid: i64,
    back: i64,
}

/// Products, all of them sold in dollars: a's in January and b's in February, more of them than of c's, which are sold in both.
fn facts() -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut sell = |count, month: &str, kind: &str, number: i64, paid| {
        for at in 0..count {
            let day = format!("{month}-{:02}", 1 + (5 * number + 7 * at) % 28);
            facts.push(Fact { item: format!("{kind}{number}"), day, paid, back: 0 });
        }
    };
    for number in 0..10 {
        sell(3, "2026-01", "a", number, 300 + number);
        sell(3, "2026-02", "b", number, 310 + number);
        sell(2, "2026-01", "c", number, 250 + number);
        sell(2, "2026-02", "c", number, 250 + number);
    }
    facts
}

/// Holds a list of those that are ahead against the facts of these days.
fn compare(list: &Value, facts: &[Fact], (first, last): (&str, &str), rank: fn(&[i64; 4]) -> i64) {
    let mut by_item: BTreeMap<&str, [i64; 4]> = BTreeMap::new();
    for fact in facts.iter().filter(|fact| first <= &*fact.day && &*fact.day <= last) {
        let [purchases, gross, refunds, count] = by_item.entry(&fact.item).or_default();
        *purchases += i64::from(fact.paid > 0);
        *gross += fact.paid;
        *refunds += fact.back;
        *count += i64::from(fact.back > 0);
    }
    let mut expected: Vec<i64> = by_item.values().map(rank).filter(|rank| *rank > 0).collect();
    expected.sort_unstable_by_key(|rank| std::cmp::Reverse(*rank));
    expected.truncate(10);
    let mut ranks = Vec::new();
    for item in list["items"].as_array().unwrap() {
        let sums = by_item.remove(item["itemId"].as_str().unwrap()).unwrap_or_else(|| panic!("{item} twice, or never"));
        let [purchases, gross, refunds, count] = sums;
        let ended = item["ended"].as_i64().unwrap();
        assert_eq!(
            told(item),
            figures([purchases, purchases, ended], &[amounts("USD", purchases, gross, refunds, count)])
        );
        ranks.push(rank(&sums));
    }
    assert_eq!((ranks, &list["exact"]), (expected, &json!(true)), "{first} to {last}: {list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn top_items_of_several_months_are_merged_exactly() {
    let api = Api::at(NOON).await;
    let mut facts = facts();
    let mut dear = None;
    for (key, fact) in facts.iter().enumerate() {
        let at = format!("{}T12:00:00Z", fact.day);
        let bought = sold(&api, &format!("k{key}"), ("product", &fact.item), &at, &json!({"amount": fact.paid})).await;
        dear = dear.or((fact.item == "c9").then_some(bought));
    }
    // The first one falls behind through a refund.
    given_back(&api, &dear.unwrap(), None, "2026-02-28T12:00:00Z").await;
    facts.push(Fact { item: "c9".to_owned(), day: "2026-02-28".to_owned(), paid: 0, back: 259 });

    let both = api.analytics("?from=2026-01-01&to=2026-02-28").await;
    let names = each(&both["top"]["byPurchases"]["items"], "/itemId");
    assert!(names.as_array().unwrap().iter().all(|name| name.as_str().unwrap().starts_with('c')), "{names}");
    let names = each(&both["top"]["byRevenue"]["items"], "/itemId");
    assert_eq!(names, json!(["c8", "c7", "c6", "c5", "c4", "c3", "c2", "c1", "c0", "b9"]));
    for days in [
        ("2026-01-01", "2026-02-28"),
        ("2026-01-01", "2026-01-31"),
        ("2026-02-01", "2026-02-28"),
        ("2026-01-15", "2026-02-28"),
        ("2026-01-20", "2026-02-10"),
        ("2026-02-28", "2026-02-28"),
    ] {
        let top = &api.analytics(&format!("?from={}&to={}", days.0, days.1)).await["top"];
        compare(&top["byPurchases"], &facts, days, |[purchases, ..]| *purchases);
        compare(&top["byRevenue"], &facts, days, |[_, gross, refunds, _]| gross - refunds);
    }
    api.app.finish().await;
}
