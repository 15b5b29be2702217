//! The expected revenue, folded from plain facts and purchases.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::check::{number, text};

/// A sale or a refund, read from its item.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) kind: String,
    pub(super) item: String,
    pub(super) day: String,
    pub(super) buyer: String,
    pub(super) purchase: String,
    pub(super) currency: String,
    pub(super) method: String,
    pub(super) amount: i64,
    pub(super) quantity: i64,
    pub(super) ended: i64,
}

impl Fact {
    fn sums(&self) -> Vec<(String, i64)> {
        let is_sale = self.kind == "sale";
        let key = format!("{}@{}", self.currency, self.method);
        let sums = if is_sale {
            vec![("purchases", 1), ("units", self.quantity), ("gross", self.amount), ("ended", self.ended)]
        } else {
            vec![("refunds", 1), ("refunded", self.amount), ("ended", self.ended)]
        };
        sums.into_iter().map(|(name, sum)| (format!("{name}#{key}"), sum)).collect()
    }
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

/// All sales and refunds.
pub(super) fn facts(ledger: &[Value]) -> Vec<Fact> {
    let facts = ledger.iter().filter(|item| text(item, "pk").starts_with("SALES#"));
    facts
        .map(|item| {
            let pk = text(item, "pk");
            let parts: Vec<&str> = pk.split('#').collect();
            Fact {
                kind: text(item, "kind"),
                item: format!("{}#{}", parts[1], parts[2]),
                day: parts[3][..10].to_owned(),
                buyer: text(item, "buyer"),
                purchase: text(item, "purchase"),
                currency: or_dash(text(item, "currency")),
                method: text(item, "paymentMethod"),
                amount: number(&item["amount"]),
                quantity: number(&item["quantity"]),
                ended: i64::from(item["ended"]["BOOL"].as_bool() == Some(true)),
            }
        })
        .collect()
}

type Numbers = BTreeMap<String, i64>;

/// Every expected figure, by the key of its item and its name, and every expected item without figures.
fn expected(ledger: &[Value]) -> (Numbers, BTreeSet<String>) {
    let mut numbers = Numbers::new();
    let mut add = |item: &str, name: &str, by: i64| *numbers.entry(format!("{item}/{name}")).or_default() += by;
    let mut of_periods: BTreeMap<(String, String), Numbers> = BTreeMap::new();
    for fact in facts(ledger) {
        let kind = fact.item.split('#').next().unwrap();
        for period in [format!("D#{}", fact.day), format!("M#{}", &fact.day[..7])] {
            for (name, by) in fact.sums() {
                add(&format!("SALES#{}/{period}", fact.item), &name, by);
                add(&format!("REVENUE/{period}#{kind}"), &name, by);
                add(&format!("REVENUE#{period}/C#{}", fact.item), &name, by);
            }
            let of_item = of_periods.entry((period, fact.item.clone())).or_default();
            *of_item.entry("N#".to_owned()).or_default() += i64::from(fact.kind == "sale");
            if fact.currency != "-" {
                let net = if fact.kind == "sale" { fact.amount } else { -fact.amount };
                *of_item.entry(format!("R#{}#", fact.currency)).or_default() += net;
            }
        }
        for (name, by) in fact.sums() {
            add(&format!("SALES#{}/T", fact.item), &name, by);
        }
    }
    let mut places = BTreeSet::new();
    for ((period, item), ranks) in of_periods {
        for (list, value) in ranks.into_iter().filter(|(_, value)| *value != 0) {
            places.insert(format!("REVENUE#{period}/{list}{:020}#{item}", i128::from(i64::MAX) - i128::from(value)));
        }
    }
    for (buyer, months) in of_buyers(ledger, &mut add) {
        let first = months.first().unwrap();
        for month in &months {
            add(&format!("BUYER#{buyer}/COHORT"), month, 1);
            add(&format!("COHORT#{first}/{buyer}"), month, 1);
            add(&format!("COHORTS/{first}"), month, 1);
        }
    }
    numbers.retain(|_, number| *number != 0);
    (numbers, places)
}

/// Adds the purchases of buyers, and the months of each.
fn of_buyers(ledger: &[Value], add: &mut impl FnMut(&str, &str, i64)) -> BTreeMap<String, BTreeSet<String>> {
    let mut months: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let documents = ledger.iter().filter(|item| text(item, "sk") == "DOC" && !item["completedAt"].is_null());
    for purchase in documents {
        let (buyer, paid) = (text(purchase, "buyer"), &purchase["paid"]["M"]);
        let month = text(purchase, "completedAt")[..7].to_owned();
        let key = format!("{}@{}", or_dash(text(paid, "currency")), text(purchase, "paymentMethod"));
        let sums = [
            (format!("purchases#{key}"), 1),
            (format!("units#{key}"), number(&purchase["quantity"])),
            (format!("gross#{key}"), number(&paid["listed"]) - number(&paid["discount"])),
            (format!("refunded#{key}"), number(&paid["refunded"])),
            (format!("ended#{key}"), i64::from(text(purchase, "status") == "refunded")),
            (format!("bought#{month}"), 1),
        ];
        for (name, by) in sums {
            add(&format!("BUYER#{buyer}/T"), &name, by);
            add(&format!("BUYER#{buyer}/C#D#{}", &text(purchase, "purchasedAt")[..10]), &name, by);
        }
        months.entry(buyer).or_default().insert(month);
    }
    months
}

/// The stored figures, in the same form.
fn stored(stats: &[Value]) -> (Numbers, BTreeSet<String>) {
    let (mut numbers, mut places) = (Numbers::new(), BTreeSet::new());
    for item in stats {
        let (pk, sk) = (text(item, "pk"), text(item, "sk"));
        let is_of_sales = ["SALES#", "REVENUE", "BUYER#", "COHORT"].iter().any(|prefix| pk.starts_with(prefix));
        if !is_of_sales || sk.starts_with("B#") || sk.starts_with("U#") {
            continue;
        }
        if sk.starts_with("N#") || sk.starts_with("R#") {
            places.insert(format!("{pk}/{sk}"));
        }
        for (name, value) in item.as_object().unwrap().iter().filter(|(_, value)| value["N"].is_string()) {
            numbers.insert(format!("{pk}/{sk}/{name}"), number(value));
        }
    }
    numbers.retain(|_, number| *number != 0);
    (numbers, places)
}

/// What differs between two.
fn differences<T: PartialEq + std::fmt::Debug>(
    expected: &BTreeMap<String, T>,
    stored: &BTreeMap<String, T>,
) -> Vec<String> {
    let keys: BTreeSet<&String> = expected.keys().chain(stored.keys()).collect();
    let different = keys.into_iter().filter(|key| expected.get(*key) != stored.get(*key));
    different.map(|key| format!("{key} is to be {:?}, stored is {:?}", expected.get(key), stored.get(key))).collect()
}

/// The stored values that differ from the ledger, and sales and refunds without a purchase.
pub(super) fn wrong(ledger: &[Value], stats: &[Value]) -> Vec<String> {
    let ((expected, places), (stored, stored_places)) = (expected(ledger), stored(stats));
    let mut wrong = differences(&expected, &stored);
    let there = |places: BTreeSet<String>| places.into_iter().map(|place| (place, ())).collect();
    wrong.extend(differences(&there(places), &there(stored_places)));

    let (mut told, mut recorded) = (BTreeMap::new(), BTreeMap::new());
    for purchase in ledger.iter().filter(|item| text(item, "sk") == "DOC" && !item["completedAt"].is_null()) {
        let paid = &purchase["paid"]["M"];
        let amount = number(&paid["listed"]) - number(&paid["discount"]);
        let ended = i64::from(text(purchase, "status") == "refunded");
        told.insert(text(purchase, "id"), (1, amount, number(&paid["refunded"]), ended));
    }
    for fact in facts(ledger) {
        let (sales, gross, refunded, ended) = recorded.entry(fact.purchase).or_insert((0, 0, 0, 0));
        *ended += fact.ended;
        if fact.kind == "sale" {
            *sales += 1;
            *gross += fact.amount;
        } else {
            *refunded += fact.amount;
        }
    }
    wrong.extend(differences(&told, &recorded));
    wrong
}
