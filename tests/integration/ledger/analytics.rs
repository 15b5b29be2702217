//! The expected analytics, folded from plain facts and purchases, compared with the answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::check::text;
use super::revenue::{Fact, facts};
use crate::support::stage::{Stage, http, invoke, person, start};

/// The sums of some facts: purchases, pieces, ended; and by currency purchases, paid, given back, and how often.
#[derive(Debug, Default, PartialEq)]
struct Sums {
    purchases: i64,
    units: i64,
    ended: i64,
    currencies: BTreeMap<String, [i64; 4]>,
}

impl Sums {
    fn of<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Self {
        let mut sums = Self::default();
        for fact in facts {
            let by_currency = sums.currencies.entry(fact.currency.clone()).or_default();
            sums.ended += fact.ended;
            if fact.kind == "sale" {
                sums.purchases += 1;
                sums.units += fact.quantity;
                by_currency[0] += 1;
                by_currency[1] += fact.amount;
            } else {
                by_currency[2] += fact.amount;
                by_currency[3] += 1;
            }
        }
        sums
    }

    fn told(told: &Value) -> Self {
        let whole = |value: &Value| value.as_i64().unwrap_or_default();
        let mut currencies = BTreeMap::new();
        for amounts in told["currencies"].as_array().unwrap() {
            let currency = amounts["currency"].as_str().unwrap_or("-").to_owned();
            let [purchases, gross] = ["purchases", "gross"].map(|name| whole(&amounts[name]));
            let (refunds, count) = (whole(&amounts["refunds"]), whole(&amounts["totalRefunds"]));
            let is_known = currency != "-";
            assert_eq!(amounts["gross"].is_null(), !is_known, "{amounts}");
            assert_eq!(amounts["net"].as_i64(), is_known.then_some(gross - refunds), "{amounts}");
            let average = (is_known && purchases > 0).then(|| gross as f64 / purchases as f64);
            assert_eq!(amounts["averageOrder"].as_f64(), average, "{amounts}");
            currencies.insert(currency, [purchases, gross, refunds, count]);
        }
        let [purchases, units, ended] = ["purchases", "units", "ended"].map(|name| whole(&told[name]));
        Self { purchases, units, ended, currencies }
    }

    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// The expected values of an answer, by JSON pointer.
fn compare(told: &Value, all: &[Fact], wrong: &mut Vec<String>) {
    let (first, last) = (told["range"]["from"].as_str().unwrap(), told["range"]["to"].as_str().unwrap());
    let facts: Vec<&Fact> = all.iter().filter(|fact| *first <= *fact.day && *fact.day <= *last).collect();
    let mut is = |what: String, told: Sums, expected: Sums| {
        if told != expected {
            wrong.push(format!("{first} to {last}, {what}: told {told:?}, expected {expected:?}"));
        }
    };
    is("all".to_owned(), Sums::told(told), Sums::of(facts.iter().copied()));

    let grouped = |by: fn(&Fact) -> String| {
        let mut groups: BTreeMap<String, Vec<&Fact>> = BTreeMap::new();
        facts.iter().for_each(|fact| groups.entry(by(fact)).or_default().push(*fact));
        groups
    };
    let mut each = |list: &Value, name: &str, by: fn(&Fact) -> String| {
        let mut groups = grouped(by);
        for told in list.as_array().unwrap() {
            let key = told[name].as_str().unwrap().to_owned();
            let expected = Sums::of(groups.remove(&key).unwrap_or_default());
            is(format!("{name} {key}"), Sums::told(told), expected);
        }
        groups.into_iter().for_each(|(key, facts)| is(format!("{name} {key}"), Sums::default(), Sums::of(facts)));
    };
    each(&told["itemTypes"], "itemType", |fact| fact.item.split('#').next().unwrap().to_lowercase());
    each(&told["paymentMethods"], "paymentMethod", |fact| fact.method.clone());
    each(&told["months"], "month", |fact| fact.day[..7].to_owned());
    for point in told["series"]["points"].as_array().unwrap() {
        let (from, to) = (&point["from"].as_str().unwrap()[..10], &point["to"].as_str().unwrap()[..10]);
        let expected = Sums::of(facts.iter().copied().filter(|fact| from <= &*fact.day && &*fact.day < to));
        is(format!("point {from}"), Sums::told(point), expected);
    }

    let buyers: BTreeSet<&str> =
        facts.iter().filter(|fact| fact.kind == "sale").map(|fact| fact.buyer.as_str()).collect();
    if told["buyers"] != json!({"count": buyers.len(), "exact": true, "standardError": null}) {
        wrong.push(format!("{first} to {last}: told {} buyers, expected {buyers:?}", told["buyers"]));
    }
    let by_item = grouped(|fact| fact.item.clone());
    let purchases = |facts: &[&Fact]| Sums::of(facts.iter().copied()).purchases;
    ahead(&told["top"]["byPurchases"], &by_item, purchases, wrong);
    if let Some(currency) = told["top"]["byRevenue"]["currency"].as_str() {
        let net = |facts: &[&Fact]| {
            let [_, gross, refunds, _] =
                Sums::of(facts.iter().copied()).currencies.get(currency).copied().unwrap_or_default();
            gross - refunds
        };
        ahead(&told["top"]["byRevenue"], &by_item, net, wrong);
    }
}

/// Holds a list of those that are ahead against all items.
fn ahead(
    told: &Value,
    by_item: &BTreeMap<String, Vec<&Fact>>,
    value: impl Fn(&[&Fact]) -> i64,
    wrong: &mut Vec<String>,
) {
    let mut expected: Vec<i64> = by_item.values().map(|facts| value(facts)).filter(|value| *value > 0).collect();
    expected.sort_unstable_by_key(|value| std::cmp::Reverse(*value));
    expected.truncate(10);
    let mut values = Vec::new();
    for item in told["items"].as_array().unwrap() {
        let name =
            format!("{}#{}", item["itemType"].as_str().unwrap().to_uppercase(), item["itemId"].as_str().unwrap());
        let facts = by_item.get(&name).cloned().unwrap_or_default();
        values.push(value(&facts));
        if Sums::told(item) != Sums::of(facts) {
            wrong.push(format!("{name} is told as {item}"));
        }
    }
    if values != expected || told["exact"] != true {
        wrong.push(format!("ahead are {expected:?}, told are {values:?}: {told}"));
    }
}

/// The month of the first purchase of each buyer, and the later months.
fn cohorts(told: &Value, ledger: &[Value], wrong: &mut Vec<String>) {
    let mut months: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for purchase in ledger.iter().filter(|item| text(item, "sk") == "DOC" && !item["completedAt"].is_null()) {
        months.entry(text(purchase, "buyer")).or_default().insert(text(purchase, "completedAt")[..7].to_owned());
    }
    let mut expected: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
    for months in months.into_values() {
        let cohort = expected.entry(months.first().unwrap().clone()).or_default();
        months.into_iter().for_each(|month| *cohort.entry(month).or_default() += 1);
    }
    for cohort in told["cohorts"].as_array().unwrap() {
        let month = cohort["month"].as_str().unwrap();
        let expected = expected.remove(month).unwrap_or_default();
        let size = expected.get(month).copied().unwrap_or_default();
        let mut is_right = cohort["buyers"] == size;
        for later in cohort["later"].as_array().unwrap() {
            let again = expected.get(later["month"].as_str().unwrap()).copied().unwrap_or_default();
            let retention = (size > 0).then(|| again as f64 / size as f64 * 100.0);
            is_right &= later["buyers"] == again && later["retention"].as_f64() == retention;
        }
        if !is_right {
            wrong.push(format!("those who first bought in {month} are told as {cohort}, expected {expected:?}"));
        }
    }
    let (first, last) = (&told["range"]["from"].as_str().unwrap()[..7], &told["range"]["to"].as_str().unwrap()[..7]);
    expected.retain(|month, _| first <= &**month && &**month <= last);
    if !expected.is_empty() {
        wrong.push(format!("cohorts that are not told: {expected:?}"));
    }
}

/// What analytics answer of days, and how long their points are.
pub(super) async fn ask(stage: &Stage, query: Value) -> Value {
    let mut request = http("GET /api/purchases/analytics", &person("root", "admin"), &json!({}), None, &json!(null));
    let parts = query.as_object().unwrap().iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap()));
    request["rawQueryString"] = json!(parts.collect::<Vec<_>>().join("&"));
    request["queryStringParameters"] = query;
    let function = start(&stage.boot("reader", None, "UTC"), get_purchase_analytics::FUNCTION);
    let answer = invoke(&*function, &request).await.unwrap();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

/// The values of analytics for these days that differ from the ledger.
pub(super) async fn wrong(stage: &Stage, questions: &[(&str, &str, &str)]) -> Vec<String> {
    let ledger = stage.scan("Purchases");
    let facts = facts(&ledger);
    let mut wrong = Vec::new();
    for (first, last, interval) in questions {
        let told = ask(stage, json!({"from": first, "to": last, "interval": interval})).await;
        compare(&told, &facts, &mut wrong);
        cohorts(&told, &ledger, &mut wrong);
        let (from, to) =
            (told["trend"]["range"]["from"].as_str().unwrap(), told["trend"]["range"]["to"].as_str().unwrap());
        let before = Sums::of(facts.iter().filter(|fact| from <= &*fact.day && &*fact.day <= to));
        if told["trend"]["purchases"]["previous"] != before.purchases {
            wrong.push(format!("{from} to {to}: told {}, expected {before:?}", told["trend"]));
        }
    }
    for buyer in ["u0", "u1"] {
        let told = ask(stage, json!({"userId": buyer})).await["buyer"].clone();
        let of_buyer: Vec<&Fact> = facts.iter().filter(|fact| fact.buyer == format!("u:{buyer}")).collect();
        let expected = Sums::of(of_buyer.iter().copied());
        let first_day = of_buyer.iter().filter(|fact| fact.kind == "sale").map(|fact| fact.day.as_str()).min();
        let is_right = told["purchases"] == expected.purchases
            && told["ended"] == expected.ended
            && told["firstPurchasedAt"].as_str().map(|first| &first[..10]) == first_day
            && told["currencies"].as_array().unwrap().iter().all(|amounts| {
                let [purchases, gross, refunds, _] = expected.currencies[amounts["currency"].as_str().unwrap()];
                amounts["purchases"] == purchases && amounts["gross"] == gross && amounts["refunds"] == refunds
            });
        if !is_right || expected.is_nothing() != told["firstPurchasedAt"].is_null() {
            wrong.push(format!("{buyer} is told as {told}, expected {expected:?}"));
        }
    }
    wrong
}
