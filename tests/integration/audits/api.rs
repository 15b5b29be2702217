//! Users, their purchases, audits, and dumps of everything that is stored and answered.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use http::Method;
use local::cloud::Options;
use serde_json::{Value, json};
use system::clock::Clock;

use crate::support::client::{Client, delegate_to_client};
pub(super) use crate::support::items::key;
pub(super) use crate::support::people::{ANN, EVE, KIM, Person, ROOT, SAM, SUE, TIM};

pub(super) const PURCHASES: &str = "/api/purchases";
pub(super) const PURCHASE: &str = "/api/purchases/{purchaseId}";
pub(super) const REFUND: &str = "/api/purchases/{purchaseId}/refund";
pub(super) const COMPLETE: &str = "/api/purchases/{purchaseId}/complete";
pub(super) const PACKAGES: &str = "/api/packages";
pub(super) const AUDITS: &str = "/api/admin/audits";
pub(super) const AUDIT: &str = "/api/admin/audits/{auditId}";
const OWNED: &str = "/api/purchases/owned";
const ANALYTICS: &str = "/api/purchases/analytics";
const STATS: &str = "/api/packages/stats";

/// How much an audit looks at.
pub(super) const SCOPES: [&str; 2] = ["full", "changes"];

/// The time when everything begins.
const NOON: &str = "2026-04-10T12:00:00.000Z";

/// Longer than what a stream brings about is given.
pub(super) const A_WHILE: i64 = 16;

/// The items of the purchase tables by table and key, except those of the audits themselves.
pub(super) type Dump = BTreeMap<String, Value>;

/// Kinds and subjects.
pub(super) type Findings = BTreeSet<(String, String)>;

/// What an audit found.
pub(super) fn findings(report: &Value) -> Findings {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = report["findings"].as_array().unwrap().iter();
    let found: Findings = found.map(|one| (text(&one["type"]), text(&one["subject"]))).collect();
    for (kind, count) in report["found"].as_object().unwrap() {
        let listed = found.iter().filter(|(of, _)| of == kind).count();
        // Either of two tasks that cover the same item may find it.
        assert!(count.as_u64().unwrap() >= listed as u64 && (*count == 0) == (listed == 0), "{kind}: {report}");
    }
    for one in report["findings"].as_array().unwrap() {
        assert_eq!(one["repaired"], one["type"] != "ledger", "{one}");
    }
    found
}

/// An item without the attributes that are new at each write; `None` if nothing else is left.
fn plain(mut item: Value) -> Option<Value> {
    let text = |item: &Value, name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
    let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
    let fields = item.as_object_mut().unwrap();
    // Of a minute without sales nothing remains but that there was one.
    let is_empty_minute = sk.starts_with("B#") && fields["value"]["M"].as_object().unwrap().is_empty();
    fields.retain(|name, value| !["version", "asOf", "of"].contains(&name.as_str()) && value["N"] != "0");
    // An item whose owner lost it equals an item that never had one.
    let is_had_no_more = pk.starts_with("OWNER#") && fields.get("standing").is_none();
    let is_sum = ["SALES#", "REVENUE", "BUYER#", "COHORT"].iter().any(|prefix| pk.starts_with(prefix));
    // The order of buyers depends on the order of writes. Their number is compared through the API.
    if sk.starts_with("U#") {
        fields.remove("buyers");
    }
    let is_place = ["N#", "R#", "U#"].iter().any(|prefix| sk.starts_with(prefix));
    let says_nothing = is_empty_minute || is_had_no_more || is_sum && !is_place && fields.len() == 2;
    (!says_nothing).then_some(item)
}

/// A dump without versions and empty items, for comparing figures.
pub(super) fn plainly(dump: Dump) -> Dump {
    dump.into_iter().filter_map(|(key, item)| Some((key, plain(item)?))).collect()
}

/// What differs between two.
pub(super) fn differences(before: &Dump, after: &Dump) -> Vec<String> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let different = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
    different.map(|key| format!("{key} was {:?}, is {:?}", before.get(key), after.get(key))).collect()
}

fn without_as_of(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("asOf");
            fields.values_mut().for_each(without_as_of);
        }
        Value::Array(values) => values.iter_mut().for_each(without_as_of),
        _ => {}
    }
}

pub(super) struct Api {
    client: Client,
    scope: &'static str,
}

delegate_to_client!(Api);

impl Api {
    /// An API whose audits are full.
    pub(super) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// An API whose audits are of this scope; all that happens from now on has changed since the last complete one.
    pub(super) async fn start_for(scope: &'static str) -> Self {
        let mut api = Self::start().await;
        assert_eq!(api.found().await, Findings::new());
        api.scope = scope;
        api
    }

    pub(super) fn scope(&self) -> &'static str {
        self.scope
    }

    pub(super) async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let client = Client::start_at(NOON, |options| {
            options.schedules = false;
            change(options);
        });
        Self { client: client.await, scope: "full" }
    }

    /// Lets minutes pass once everything has settled.
    pub(super) async fn later(&mut self, minutes: i64) {
        self.app.settled().await;
        self.forward(minutes);
    }

    pub(super) fn forward(&self, minutes: i64) {
        self.clock.set_time(self.clock.now() + TimeDelta::minutes(minutes));
    }

    /// Starts an audit and returns its id.
    pub(super) async fn begin(&self) -> String {
        self.begin_of(self.scope, self.scope).await
    }

    /// Begins an audit of one scope, which comes to be of another.
    pub(super) async fn begin_of(&self, scope: &str, becomes: &str) -> String {
        let begun = self.call((Method::POST, AUDITS), &format!("?scope={scope}"), ROOT, &[], "").await;
        assert_eq!((begun.status.as_u16(), &begun.body["scope"]), (202, &json!(becomes)), "{begun:?}");
        let id = begun.body["auditId"].as_str().unwrap().to_owned();
        assert_eq!(begun.header("location"), format!("/api/admin/audits/{id}"));
        id
    }

    /// How far an audit is.
    pub(super) async fn report(&self, audit: &str) -> Value {
        let answer = self.call((Method::GET, AUDIT), audit, ROOT, &[], "").await;
        assert_eq!((answer.status.as_u16(), &answer.body["auditId"]), (200, &json!(audit)), "{answer:?}");
        answer.body
    }

    /// Runs an audit and returns its report.
    pub(super) async fn audited(&self) -> Value {
        self.audited_as(self.scope).await
    }

    /// What a full audit finds.
    pub(super) async fn found_by_a_full_one(&self) -> Findings {
        findings(&self.audited_as("full").await)
    }

    async fn audited_as(&self, scope: &str) -> Value {
        let audit = self.begin_of(scope, scope).await;
        let begun = self.report(&audit).await;
        self.app.settled().await;
        let done = self.report(&audit).await;
        assert_eq!((&done["status"], &done["startedAt"]), (&json!("done"), &begun["startedAt"]), "{done}");
        // Tasks that end at the same time may each record a time later than the other's.
        assert!(done["asOf"].as_str() >= done["startedAt"].as_str(), "{done}");
        done
    }

    /// Runs an audit and returns its findings.
    pub(super) async fn found(&self) -> Findings {
        findings(&self.audited().await)
    }

    /// Everything that is stored of purchases.
    pub(super) async fn dump(&self) -> Dump {
        self.app.settled().await;
        let mut dump = Dump::new();
        for table in ["PurchasesTable", "StateTable", "StatsTable"] {
            for item in self.app.scan(table) {
                let (pk, sk) = (item["pk"]["S"].as_str().unwrap(), item["sk"]["S"].as_str().unwrap());
                if !pk.starts_with("AUDIT") && !pk.starts_with("CHANGES#") {
                    dump.insert(format!("{table} {pk}/{sk}"), item.clone());
                }
            }
        }
        dump
    }

    /// The answers of the API about purchases, by request.
    pub(super) async fn told(&self) -> BTreeMap<String, String> {
        self.app.settled().await;
        let mut told = BTreeMap::new();
        let quarter = "?from=2026-01-01&to=2026-04-10";
        let mut asked = vec![
            (ANALYTICS, ROOT, String::new()),
            (ANALYTICS, ROOT, format!("{quarter}&interval=day&currency=EUR")),
            (ANALYTICS, ROOT, "?from=2026-02-03&to=2026-02-27&interval=day&currency=USD".to_owned()),
            (STATS, TIM, "?packageId=p".to_owned()),
        ];
        for buyer in ["userId=sam", "userId=sue", "userId=kim", "userId=lou", "guestId=gus", "guestId=gil"] {
            asked.push((ANALYTICS, ROOT, format!("{quarter}&{buyer}")));
            asked.push((PURCHASES, ROOT, format!("?limit=100&{buyer}")));
            if !buyer.starts_with("user") {
                continue;
            }
            for (kind, items) in [
                ("course", "algebra,geometry,calculus,statistics,topology"),
                ("test", "finals,quiz,midterm"),
                ("package", "p"),
                ("product", "mug,cup,pen"),
            ] {
                asked.push((OWNED, ROOT, format!("?strong=true&itemType={kind}&itemId={items}&{buyer}")));
            }
        }
        for (route, person, query) in asked {
            let mut answer = self.call((Method::GET, route), &query, person, &[], "").await;
            // Where there is no shop, there is no package.
            assert!(answer.status == 200 || route == STATS && answer.status == 404, "{route}{query}: {answer:?}");
            without_as_of(&mut answer.body);
            told.insert(
                format!("{route}{query}"),
                answer.body["detail"].as_str().map_or(answer.body.to_string(), str::to_owned),
            );
        }
        told
    }
}
