//! Audits during traffic: they find nothing, and they corrupt nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use domain::audit::Scope;
use local::wire::Faults;
use store::{Audits, StartedAudit};
use tokio::time::Instant;

use crate::support::stage::{Item, Stage};

/// The implementation of the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Auditor {
    /// The audit itself.
    Real,
    /// One that believes what it sees once, if the version of the sum is the same before and after.
    LooksOnce,
}

impl Auditor {
    pub(super) async fn audit(
        self,
        stage: Stage,
        faults: Option<Arc<dyn Faults>>,
        name: String,
        scope: Scope,
    ) -> Option<Vec<String>> {
        match self {
            Self::Real => audit(stage, faults, name, scope).await,
            Self::LooksOnce => look_once(stage, faults, name).await,
        }
    }
}

fn sums(item: &Item) -> BTreeMap<String, i64> {
    let numbers = item.iter().filter(|(name, _)| *name != "ttl");
    let numbers = numbers.filter_map(|(name, value)| Some((name.clone(), value.as_n().ok()?.parse().unwrap())));
    numbers.filter(|(_, number)| *number != 0).collect()
}

/// Holds what courses brought in in a month against what each of them contributes to it.
async fn look_once(stage: Stage, faults: Option<Arc<dyn Faults>>, name: String) -> Option<Vec<String>> {
    let client = stage.boot(&name, faults, "UTC").dynamodb();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let row = || {
        let get = client.get_item().table_name("Stats").consistent_read(true);
        get.key("pk", text("REVENUE")).key("sk", text("M#2026-01#COURSE")).send()
    };
    let before = row().await.ok()?.item;
    let query = client.query().table_name("Stats").consistent_read(true);
    let query = query.key_condition_expression("pk = :pk AND begins_with(sk, :sk)");
    let query = query.expression_attribute_values(":pk", text("REVENUE#M#2026-01"));
    let parts = query.expression_attribute_values(":sk", text("C#COURSE#")).send().await.ok()?.items?;
    let after = row().await.ok()?.item;
    let mut all: BTreeMap<String, i64> = BTreeMap::new();
    for (name, number) in parts.iter().flat_map(sums) {
        *all.entry(name).or_default() += number;
    }
    all.retain(|_, number| *number != 0);
    let version = |item: &Option<Item>| item.as_ref().and_then(|item| item.get("version").cloned());
    let is_wrong = version(&before) == version(&after) && before.as_ref().map(sums).unwrap_or_default() != all;
    Some(is_wrong.then(|| format!("{before:?} is not {all:?}")).into_iter().collect())
}

/// Does a whole audit; what it found, unless it was cut off.
pub(super) async fn audit(
    stage: Stage,
    faults: Option<Arc<dyn Faults>>,
    name: String,
    scope: Scope,
) -> Option<Vec<String>> {
    let boot = stage.boot(&name, faults, "UTC");
    let audits = boot.open(|setup| Audits::open(setup)).unwrap();
    let StartedAudit { audit: id, mut tasks, .. } = audits.start(scope).await.ok()?;
    let mut found = Vec::new();
    while let Some(task) = tasks.pop() {
        let deadline = Instant::now() + Duration::from_secs(55);
        let (next, outcome) = audits.run_task(&task, deadline).await.ok()?;
        tasks.extend(next);
        found.extend(outcome.findings.iter().map(|finding| format!("an audit found {finding:?}")));
    }
    let report = audits.report(&id).await.ok()??;
    assert!(report.is_done, "{report:?}");
    Some(found)
}
