//! The ways in which what follows from the ledger can be wrong, and what an audit is to make of it.

use std::collections::BTreeMap;

use futures::future;
use serde_json::{Value, json};

use super::api::{A_WHILE, Api, Dump, Findings, SCOPES, differences, key, plainly};
use super::shop::{self, Known};

/// Corrupts stored values and collects the expected findings.
pub(super) struct Vandal<'a> {
    api: &'a mut Api,
    before: Dump,
    told: BTreeMap<String, String>,
    must: Findings,
    may: Findings,
}

/// Corrupts a consistent shop, one for each scope of an audit. The audit finds what is expected and repairs it.
pub(super) async fn spoiled(spoil: impl Fn(&mut Vandal<'_>, &Known)) {
    let audited = SCOPES.map(async |scope| {
        let mut api = Api::start_for(scope).await;
        let (_, known) = shop::open(&mut api).await;
        let mut vandal = Vandal::comes(&mut api).await;
        spoil(&mut vandal, &known);
        vandal.found_and_mended().await;
        api.app.finish().await;
    });
    future::join_all(audited).await;
}

/// The table that holds a partition.
fn table(pk: &str, sk: &str) -> &'static str {
    let is_purchase = pk.starts_with("PURCHASE#") || pk.starts_with("BUYER#") && sk.starts_with("20");
    let is_fact = pk.starts_with("SALES#") && pk.split('#').count() == 4;
    if is_purchase || is_fact {
        return "PurchasesTable";
    }
    if pk.starts_with("OWNER#") { "StateTable" } else { "StatsTable" }
}

/// A number as an item has it.
pub(super) fn number(number: i64) -> Value {
    json!({"N": number.to_string()})
}

/// A number attribute, increased by this.
pub(super) fn more(value: &mut Value, by: i64) {
    let was: i64 = value["N"].as_str().map_or(0, |was| was.parse().unwrap());
    *value = number(was + by);
}

impl<'a> Vandal<'a> {
    /// Comes to where all is right.
    pub(super) async fn comes(api: &'a mut Api) -> Self {
        let (before, told) = (api.dump().await, api.told().await);
        Self { api, before, told, must: Findings::new(), may: Findings::new() }
    }

    pub(super) fn api(&self) -> &Api {
        self.api
    }

    pub(super) fn item(&self, pk: &str, sk: &str) -> Value {
        let asked = json!({"Key": key(pk, sk), "ConsistentRead": true});
        let item = self.api.app.database("GetItem", table(pk, sk), asked)["Item"].clone();
        assert!(item.is_object(), "there is no {pk} {sk}");
        item
    }

    pub(super) fn put(&self, item: &Value) {
        let (pk, sk) = (item["pk"]["S"].as_str().unwrap(), item["sk"]["S"].as_str().unwrap());
        self.api.app.database("PutItem", table(pk, sk), json!({"Item": item}));
    }

    /// Changes an item that is there.
    pub(super) fn change(&self, pk: &str, sk: &str, change: impl FnOnce(&mut Value)) {
        let mut item = self.item(pk, sk);
        let was = item.clone();
        change(&mut item);
        assert_ne!(item, was, "{pk} {sk} is as it was");
        self.put(&item);
    }

    /// Adds to a number of an item that is there; one that was not there was 0.
    pub(super) fn add(&self, pk: &str, sk: &str, name: &str, by: i64) {
        self.change(pk, sk, |item| more(&mut item[name], by));
    }

    /// Adds to a sum of a till of a minute.
    pub(super) fn add_to_minute(&self, pk: &str, sk: &str, key: &str, name: &str, by: i64) {
        self.change(pk, sk, |item| {
            let key = &mut item["value"]["M"]["tills"]["M"][key]["M"];
            assert!(key.is_object(), "no such till");
            more(&mut key[name], by);
        });
    }

    pub(super) fn lose(&self, pk: &str, sk: &str) {
        self.item(pk, sk);
        self.api.app.database("DeleteItem", table(pk, sk), json!({"Key": key(pk, sk)}));
    }

    /// Puts something where nothing is.
    pub(super) fn invent(&self, pk: &str, sk: &str, rest: &Value) {
        let mut item = key(pk, sk);
        let there = self.api.app.database("GetItem", table(pk, sk), json!({"Key": item, "ConsistentRead": true}));
        assert!(there["Item"].is_null(), "there is {there}");
        for (name, value) in rest.as_object().unwrap() {
            item[name] = value.clone();
        }
        self.put(&item);
    }

    /// Puts a copy of an item, with its sort key and more changed, where nothing is.
    pub(super) fn copy(&self, pk: &str, sk: &str, to: &str, change: impl FnOnce(&mut Value)) {
        let mut item = self.item(pk, sk);
        change(&mut item);
        self.invent(pk, to, &{
            item.as_object_mut().unwrap().retain(|name, _| name != "pk" && name != "sk");
            item
        });
    }

    /// The sort keys of a partition that begin and end so.
    pub(super) fn sort_keys(&self, pk: &str, begin: &str, end: &str) -> Vec<String> {
        let asked = json!({
            "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": pk}}, "ConsistentRead": true,
        });
        let found = self.api.app.database("Query", table(pk, begin), asked);
        let all = found["Items"].as_array().unwrap().iter().map(|item| item["sk"]["S"].as_str().unwrap().to_owned());
        all.filter(|sk| sk.starts_with(begin) && sk.ends_with(end)).collect()
    }

    /// Expects this finding.
    pub(super) fn is(&mut self, kind: &str, subject: &str) {
        self.must.insert((kind.to_owned(), subject.to_owned()));
    }

    /// This may be found too.
    pub(super) fn may_be(&mut self, kind: &str, subject: &str) {
        self.may.insert((kind.to_owned(), subject.to_owned()));
    }

    /// The repair of a bucket also changes what derives from the item's day, so these values may be reported too.
    pub(super) fn may_be_what_follows(&mut self, item: &str, day: &str) {
        for total in ["T".to_owned(), format!("D#{day}"), format!("M#{}", &day[..7])] {
            self.may_be("total", &format!("SALES#{item}/{total}"));
        }
        self.may_be_what_all_bring_in(item, &format!("D#{day}"));
        self.may_be_what_all_bring_in(item, &format!("M#{}", &day[..7]));
    }

    /// The same of what an item contributes to a period.
    pub(super) fn may_be_what_all_bring_in(&mut self, item: &str, period: &str) {
        let kind = item.split('#').next().unwrap();
        self.may_be("contribution", &format!("REVENUE#{period}/C#{item}"));
        self.may_be("revenue", &format!("REVENUE/{period}#{kind}"));
        self.may_be("ranking", &format!("REVENUE#{period}/C#{item}"));
    }

    /// One audit finds exactly what is expected and restores everything. The next one, and a later one, find nothing.
    pub(super) async fn found_and_mended(self) {
        let spoiled = differences(&self.before, &self.api.dump().await);
        assert!(!spoiled.is_empty(), "nothing is spoiled");
        let found = self.api.found().await;
        let missed: Vec<_> = self.must.difference(&found).collect();
        let wrongly: Vec<_> =
            found.iter().filter(|one| !self.must.contains(*one) && !self.may.contains(*one)).collect();
        assert!(missed.is_empty() && wrongly.is_empty(), "not found: {missed:#?}, found wrongly: {wrongly:#?}");
        self.mended().await;
    }

    /// An audit that is done has put everything right.
    pub(super) async fn mended(self) {
        let wrong = differences(&plainly(self.before.clone()), &plainly(self.api.dump().await));
        assert!(wrong.is_empty(), "not as it was: {wrong:#?}");
        for (asked, told) in self.api.told().await {
            assert_eq!(Some(&told), self.told.get(&asked), "{asked}");
        }
        assert_eq!(self.api.found().await, Findings::new(), "a second audit finds nothing");
        self.api.later(A_WHILE).await;
        assert_eq!(self.api.found().await, Findings::new(), "a later audit finds nothing");
        assert_eq!(self.api.found_by_a_full_one().await, Findings::new(), "a full audit finds nothing");
        let wrong = differences(&plainly(self.before), &plainly(self.api.dump().await));
        assert!(wrong.is_empty(), "no more as it was: {wrong:#?}");
    }
}
