//! Holds all that is stored against the purchases themselves, read as plain items.

use std::collections::BTreeMap;

use serde_json::Value;

use super::actions::MAX_USES;
use super::revenue;
pub(super) use crate::support::items::{number, text};
use crate::support::stage::Stage;

/// A purchase, read from its item.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bought {
    owner: String,
    sales: String,
    status: String,
    amount: i64,
    refunded: i64,
    currency: String,
    has_discount: bool,
    was_paid: bool,
}

/// The purchases there are, by their ids.
fn purchases(ledger: &[Value]) -> BTreeMap<String, Bought> {
    let documents = ledger.iter().filter(|item| text(item, "sk") == "DOC");
    documents
        .map(|item| {
            let paid = &item["paid"]["M"];
            let kind = text(item, "itemType").to_uppercase();
            let bought = Bought {
                owner: format!("{}/{kind}#{}", text(item, "buyer"), text(item, "itemId")),
                sales: format!("SALES#{kind}#{}", text(item, "itemId")),
                status: text(item, "status"),
                amount: number(&paid["listed"]) - number(&paid["discount"]),
                refunded: number(&paid["refunded"]),
                currency: text(paid, "currency"),
                has_discount: !item["discountCode"].is_null(),
                was_paid: !item["completedAt"].is_null(),
            };
            (text(item, "id"), bought)
        })
        .collect()
}

/// What must hold at any time.
pub(super) fn at_any_time(stage: &Stage) -> Vec<String> {
    let (ledger, state) = (stage.scan("Purchases"), stage.scan("State"));
    let purchases = purchases(&ledger);
    let mut wrong = Vec::new();
    let mut standing: BTreeMap<String, i64> = BTreeMap::new();
    let mut uses = 0;
    for (id, bought) in &purchases {
        *standing.entry(bought.owner.clone()).or_default() += i64::from(bought.status == "completed");
        uses += i64::from(bought.has_discount && bought.status != "cancelled");
        // For a free purchase, only the status shows a refund.
        let is_over = bought.refunded == bought.amount && (bought.amount > 0 || bought.status == "refunded");
        if bought.refunded > bought.amount || bought.was_paid && is_over != (bought.status == "refunded") {
            wrong.push(format!("{id} gave back {} of {}: {}", bought.refunded, bought.amount, bought.status));
        }
    }
    let mut owned: BTreeMap<String, i64> = BTreeMap::new();
    for item in &state {
        if let Some(buyer) = text(item, "pk").strip_prefix("OWNER#") {
            owned.insert(format!("{buyer}/{}", text(item, "sk")), number(&item["standing"]));
        }
        if text(item, "pk") == "DISCOUNT#HALF" && (number(&item["uses"]) != uses || uses > MAX_USES) {
            wrong.push(format!("{uses} purchases use the discount, {} are counted", number(&item["uses"])));
        }
    }
    standing.retain(|_, standing| *standing != 0);
    owned.retain(|_, standing| *standing != 0);
    if owned != standing {
        wrong.push(format!("purchases say {standing:?}, ownership says {owned:?}"));
    }
    for (owner, standing) in &standing {
        if *standing > 1 && !owner.contains("/PRODUCT#") {
            wrong.push(format!("{owner} was bought {standing} times"));
        }
    }
    let mut among: Vec<Value> = ledger.iter().filter(|item| text(item, "pk").starts_with("BUYER#")).cloned().collect();
    let mut documents: Vec<Value> = ledger.iter().filter(|item| text(item, "sk") == "DOC").cloned().collect();
    for item in among.iter_mut().chain(&mut documents) {
        let fields = item.as_object_mut().unwrap();
        fields.retain(|name, _| !["pk", "sk", "version"].contains(&name.as_str()));
    }
    let by_id = |items: Vec<Value>| -> BTreeMap<String, Value> {
        items.into_iter().map(|item| (text(&item, "id"), item)).collect()
    };
    if among.len() != documents.len() || by_id(among) != by_id(documents) {
        wrong.push("purchases and what buyers are told of them differ".to_owned());
    }
    wrong
}

/// What must hold when all is delivered: `made` purchases, and numbers that are the fold of them.
pub(super) fn at_the_end(stage: &Stage, made: usize) -> Vec<String> {
    let mut wrong = at_any_time(stage);
    let ledger = stage.scan("Purchases");
    let purchases = purchases(&ledger);
    if purchases.len() != made {
        wrong.push(format!("{made} purchases were answered, {} are there", purchases.len()));
    }
    let stats = stage.scan("Stats");
    wrong.extend(revenue::wrong(&ledger, &stats));

    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    for bought in purchases.values().filter(|bought| bought.was_paid && bought.sales == "SALES#PACKAGE#p0") {
        *expected.entry(format!("earned#{}", bought.currency)).or_default() += bought.amount - bought.refunded;
    }
    let of_package = stats.iter().find(|item| text(item, "pk") == "PACKAGE#p0" && text(item, "sk") == "T");
    let numbers =
        of_package.and_then(Value::as_object).into_iter().flatten().filter(|(_, value)| value["N"].is_string());
    let mut of_package: BTreeMap<String, i64> = numbers.map(|(name, value)| (name.clone(), number(value))).collect();
    expected.retain(|_, number| *number != 0);
    of_package.retain(|_, number| *number != 0);
    if of_package != expected {
        wrong.push(format!("the package earned {expected:?}, stored is {of_package:?}"));
    }
    wrong
}
