//! The outcomes of audit tasks, and the report of an audit.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::{Audits, ListedAudit, MAX_LISTED, RETENTION};
use crate::error::StoreError;
use crate::items::{Item, TTL, text, to_key};
use crate::jobs::{JobProgress, StoredProgress, TaskOutcome};
use crate::keys;
use crate::refresh::Refresher;
use crate::sums::Sums;
use crate::table::{Consistency, KeyRange, Write};
use crate::transaction::Condition;
use domain::audit::{Checked, Finding, FindingKind, Scope};
use domain::id::AuditId;
use domain::time::Time;

/// How many findings a report lists at most.
const MAX_FINDINGS: i32 = 200;

/// How many bytes of a subject are stored at most. It is part of a sort key, which has up to 1,024 bytes, and an item that is
/// corrupt may have a key of any length.
const MAX_SUBJECT: usize = 900;

/// The scope of an audit.
const SCOPE: &str = "scope";

/// The time since which changes are audited.
const SINCE: &str = "since";

const TASKS_STARTED: &str = "begun";
const TASKS_ENDED: &str = "ended";

/// The prefix of the number of things of a kind that were checked.
const CHECKED: &str = "checked#";

/// The prefix of the number of findings of a kind.
const FOUND: &str = "found#";

/// What a task checked, and what it found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    checked: BTreeMap<Checked, i64>,
    /// What was wrong.
    pub findings: BTreeSet<Finding>,
}

impl Outcome {
    pub(super) fn add_checked(&mut self, what: Checked) {
        *self.checked.entry(what).or_default() += 1;
    }

    pub(super) fn add_finding(&mut self, kind: FindingKind, subject: impl Into<String>) {
        let mut subject = subject.into();
        subject.truncate(subject.floor_char_boundary(MAX_SUBJECT));
        self.findings.insert(Finding { kind, subject });
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (what, count) in other.checked {
            *self.checked.entry(what).or_default() += count;
        }
        self.findings.extend(other.findings);
    }

    fn sums(&self) -> Sums {
        let checked = self.checked.iter().map(|(what, count)| (format!("{CHECKED}{what}"), *count));
        let mut found: BTreeMap<String, i64> = BTreeMap::new();
        for finding in &self.findings {
            *found.entry(format!("{FOUND}{}", finding.kind)).or_default() += 1;
        }
        checked.chain(found).collect()
    }
}

/// The progress and the findings of an audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// When the audit started.
    pub started_at: Time,
    /// Whether everything is audited or only what has changed.
    pub scope: Scope,
    /// The time since which changes are audited; `None` for a full audit.
    pub since: Option<Time>,
    /// When the progress last changed.
    pub as_of: Time,
    /// Whether all tasks have ended.
    pub is_done: bool,
    /// How many things of each kind were checked.
    pub checked: BTreeMap<Checked, i64>,
    /// How many findings of each kind there are.
    pub found: BTreeMap<FindingKind, i64>,
    /// The first findings.
    pub findings: Vec<Finding>,
}

fn scope_of(since: Option<Time>) -> Scope {
    if since.is_some() { Scope::Changes } else { Scope::Full }
}

/// Audits without a scope started when all audits were full.
fn scope(item: &Item) -> Result<Scope, String> {
    text(item, SCOPE).map_or(Ok(Scope::Full), str::parse)
}

fn is_done(sums: &Sums) -> bool {
    sums.get(TASKS_STARTED) == sums.get(TASKS_ENDED)
}

/// The greater of each sum.
fn greatest(stored: Option<&Sums>, new: &Sums) -> Option<Sums> {
    let mut sums: BTreeMap<&str, i64> = new.iter().collect();
    for (name, sum) in stored.iter().flat_map(|stored| stored.iter()) {
        let greatest = sums.entry(name).or_default();
        *greatest = sum.max(*greatest);
    }
    Some(sums.into_iter().collect())
}

impl Audits {
    fn progress_of(&self, audit: &AuditId) -> JobProgress<'_> {
        let refresher = Refresher { stats: &self.stats, clock: self.clock.as_ref(), ids: self.ids.as_ref() };
        JobProgress { refresher, key: keys::audit(audit), retention: RETENTION }
    }

    /// Stores that an audit starts with so many tasks, and lists it.
    pub(super) async fn store_start(
        &self,
        audit: &AuditId,
        since: Option<Time>,
        tasks: usize,
        now: Time,
    ) -> Result<(), StoreError> {
        let progress = self.progress_of(audit);
        let scope = AttributeValue::S(scope_of(since).to_string());
        let mut attributes = Item::from([
            (SCOPE.to_owned(), scope.clone()),
            (TASKS_STARTED.to_owned(), AttributeValue::N(tasks.to_string())),
        ]);
        attributes.extend(since.map(|since| (SINCE.to_owned(), AttributeValue::S(since.to_string()))));
        progress.start(now, attributes).await?;
        let mut listed = to_key(&keys::audit_of(now, audit));
        listed.insert(SCOPE.to_owned(), scope);
        listed.insert(TTL.to_owned(), progress.expiry(now));
        self.stats.put(listed, Condition::default()).await
    }

    /// Whether an audit has run to its end. One that started before changes were listed does not count.
    pub(super) async fn is_complete(&self, audit: &AuditId) -> Result<bool, StoreError> {
        let item = self.stats.get(&keys::audit(audit), Consistency::Strong).await?;
        Ok(item.is_some_and(|item| text(&item, SCOPE).is_some() && is_done(&Sums::of(&item))))
    }

    /// Records the outcome of a task. A task that runs twice counts once, with all that either run found.
    pub(super) async fn record(
        &self,
        audit: &AuditId,
        task: &str,
        outcome: &Outcome,
        next: usize,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let (progress, now) = (self.progress_of(audit), self.now());
        let findings = outcome.findings.iter().map(|finding| {
            let mut item = to_key(&keys::finding(audit, &finding.kind.to_string(), &finding.subject));
            item.insert(TTL.to_owned(), progress.expiry(now));
            Write::Put(item)
        });
        self.stats.write_all(findings.collect(), deadline).await?;
        let mut sums = outcome.sums();
        let next = i64::try_from(next).unwrap_or(i64::MAX);
        sums.add(&Sums::from_iter([(TASKS_ENDED, 1), (TASKS_STARTED, next)]));
        let key = keys::audited(audit, task);
        progress.record(&[TaskOutcome { key, sums, merge: greatest }], deadline).await
    }

    /// The report of an audit: its progress and its findings. `None` if there is no such audit or it has expired.
    ///
    /// # Errors
    /// If it could not be read or is corrupt.
    pub fn report<'a>(&'a self, audit: &'a AuditId) -> BoxFuture<'a, Result<Option<AuditReport>, StoreError>> {
        Box::pin(async move {
            let progress = self.progress_of(audit);
            let Some(StoredProgress { started_at, as_of, sums, item }) = progress.read().await? else {
                return Ok(None);
            };
            let pk = progress.key.pk;
            let corrupt = |error: &dyn std::fmt::Display| StoreError::corrupt(&pk, error);
            let counts = |prefix: &'static str| {
                sums.iter().filter_map(move |(name, sum)| Some((name.strip_prefix(prefix)?, sum)))
            };
            let checked: Result<BTreeMap<Checked, i64>, String> =
                counts(CHECKED).map(|(word, count)| Ok((word.parse()?, count))).collect();
            let found: Result<BTreeMap<FindingKind, i64>, String> =
                counts(FOUND).map(|(word, count)| Ok((word.parse()?, count))).collect();
            let findings = KeyRange::with_prefix(pk.clone(), keys::FINDINGS);
            let findings = self.stats.query_page(&findings, MAX_FINDINGS, false).await?;
            let finding = |item: &Item| {
                let (kind, subject) = text(item, keys::SK)?.strip_prefix(keys::FINDINGS)?.split_once('#')?;
                Some(Finding { kind: kind.parse().ok()?, subject: subject.to_owned() })
            };
            Ok(Some(AuditReport {
                started_at,
                scope: scope(&item).map_err(|error| corrupt(&error))?,
                since: text(&item, SINCE).map(str::parse).transpose().map_err(|error| corrupt(&error))?,
                as_of,
                is_done: is_done(&sums),
                checked: checked.map_err(|error| corrupt(&error))?,
                found: found.map_err(|error| corrupt(&error))?,
                findings: findings.iter().filter_map(finding).collect(),
            }))
        })
    }

    /// The latest audits, the newest first.
    ///
    /// # Errors
    /// If they could not be read.
    pub fn latest(&self) -> BoxFuture<'_, Result<Vec<ListedAudit>, StoreError>> {
        Box::pin(async move {
            let all = KeyRange::with_prefix(keys::AUDITS.to_owned(), "");
            let items = self.stats.query_page(&all, MAX_LISTED, true).await?;
            let listed = items.iter().filter_map(|item| {
                let (at, id) = text(item, keys::SK)?.split_once('#')?;
                let scope = scope(item).map_err(|error| StoreError::corrupt(id, error));
                Some(scope.map(|scope| ListedAudit { audit_id: id.to_owned(), started_at: at.to_owned(), scope }))
            });
            listed.collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finding_fits_into_key() {
        let mut outcome = Outcome::default();
        outcome.add_finding(FindingKind::Ledger, "\u{20ac}".repeat(1_024));
        let audit: AuditId = "a".repeat(64).parse().unwrap();
        let finding = outcome.findings.first().unwrap();
        assert_eq!(finding.subject, "\u{20ac}".repeat(300));
        assert!(keys::finding(&audit, &finding.kind.to_string(), &finding.subject).sk.len() <= 1_024);
    }
}
