//! Audits while everybody is at it: nothing is wrong, so nothing is found, and nothing is made wrong.

use std::sync::Arc;
use std::time::Duration;

use local::wire::Faults;
use shared::domain::audit::Scope;
use shared::store::Audits;
use tokio::time::Instant;

use crate::stage::Stage;

/// Does a whole audit; what it found, unless it was cut off.
pub(super) async fn audit(
    stage: Stage,
    faults: Option<Arc<dyn Faults>>,
    name: String,
    scope: Scope,
) -> Option<Vec<String>> {
    let boot = stage.boot(&name, faults, "UTC");
    let [ledger, state, stats] = ["Purchases", "State", "Stats"].map(str::to_owned);
    let audits = Audits::new(boot.dynamodb(), ledger, state, stats, Arc::clone(&boot.clock), Arc::clone(&boot.ids));
    let (id, _, mut legs) = audits.begin(scope).await.ok()?;
    let mut found = Vec::new();
    while let Some(leg) = legs.pop() {
        let deadline = Instant::now() + Duration::from_secs(55);
        let (next, outcome) = audits.go(&leg, deadline).await.ok()?;
        legs.extend(next);
        found.extend(outcome.findings.iter().map(|finding| format!("an audit found {finding:?}")));
    }
    let report = audits.report(&id).await.ok()??;
    assert!(report.is_done, "{report:?}");
    Some(found)
}
