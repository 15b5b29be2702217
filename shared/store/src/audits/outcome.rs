//! What an audit found, and how far it has come.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::{AS_OF, Audits, Contributions, KEPT, LISTED, ListedAudit, Sums};
use crate::error::StoreError;
use crate::items::{Item, TTL, VERSION, text, to_key};
use crate::keys;
use crate::retry;
use crate::table::{Consistency, KeyRange, Write};
use crate::transaction::Condition;
use domain::audit::{Checked, Finding, FindingKind, Scope};
use domain::id::AuditId;
use domain::time::Time;

/// How many findings are told.
const TOLD: i32 = 200;

/// How many bytes of a subject are told: it is part of a sort key, which has up to 1,024, and what lies in a table need not be
/// what is written here.
const MAX_SUBJECT: usize = 900;

/// When an audit began.
const STARTED: &str = "startedAt";

/// How much an audit looks at, and since when.
const SCOPE: &str = "scope";
const SINCE: &str = "since";

/// How many legs were handed over, and how many of them have been gone.
const BEGUN: &str = "begun";
const ENDED: &str = "ended";

/// What a leg looked at, and what it found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    checked: BTreeMap<Checked, i64>,
    /// What is wrong.
    pub findings: BTreeSet<Finding>,
}

impl Outcome {
    pub(super) fn saw(&mut self, what: Checked) {
        *self.checked.entry(what).or_default() += 1;
    }

    pub(super) fn found(&mut self, kind: FindingKind, subject: impl Into<String>) {
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
        let checked = self.checked.iter().map(|(what, count)| (format!("checked#{what}"), *count));
        let mut found: BTreeMap<String, i64> = BTreeMap::new();
        for finding in &self.findings {
            *found.entry(format!("found#{}", finding.kind)).or_default() += 1;
        }
        checked.chain(found).collect()
    }
}

/// How far an audit has come, and what it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// When it began.
    pub started_at: Time,
    /// Whether it looks at everything, or at what has changed.
    pub scope: Scope,
    /// Since when it looks at what has changed.
    pub since: Option<Time>,
    /// When it last came on.
    pub as_of: Time,
    /// Whether it has come to the end.
    pub is_done: bool,
    /// How much it looked at.
    pub checked: BTreeMap<Checked, i64>,
    /// How much it found.
    pub found: BTreeMap<FindingKind, i64>,
    /// The first of what it found.
    pub findings: Vec<Finding>,
}

fn expiry(now: Time) -> AttributeValue {
    AttributeValue::N(now.plus(KEPT).seconds().to_string())
}

fn scope_of(since: Option<Time>) -> Scope {
    if since.is_some() { Scope::Changes } else { Scope::Full }
}

/// Audits that say nothing were begun when all were full.
fn scope(item: &Item) -> Result<Scope, String> {
    text(item, SCOPE).map_or(Ok(Scope::Full), str::parse)
}

fn is_done(sums: &Sums) -> bool {
    sums.get(BEGUN) == sums.get(ENDED)
}

impl Audits {
    pub(super) async fn put_begun(
        &self,
        audit: &AuditId,
        since: Option<Time>,
        legs: usize,
        now: Time,
    ) -> Result<(), StoreError> {
        let mut item = to_key(&keys::audit(audit));
        let scope = AttributeValue::S(scope_of(since).to_string());
        item.insert(SCOPE.to_owned(), scope.clone());
        item.extend(since.map(|since| (SINCE.to_owned(), AttributeValue::S(since.to_string()))));
        for name in [STARTED, AS_OF] {
            item.insert(name.to_owned(), AttributeValue::S(now.to_string()));
        }
        item.insert(BEGUN.to_owned(), AttributeValue::N(legs.to_string()));
        item.insert(TTL.to_owned(), expiry(now));
        // The id is fresh: what lies there already is this item, whose answer was lost.
        self.stats.put(item, Condition::default()).await?;
        let mut listed = to_key(&keys::audit_of(now, audit));
        listed.insert(SCOPE.to_owned(), scope);
        listed.insert(TTL.to_owned(), expiry(now));
        self.stats.put(listed, Condition::default()).await
    }

    /// Whether an audit has come to its end, and was begun when changes were listed already.
    pub(super) async fn is_complete(&self, audit: &AuditId) -> Result<bool, StoreError> {
        let item = self.stats.get(&keys::audit(audit), Consistency::Strong).await?;
        Ok(item.is_some_and(|item| text(&item, SCOPE).is_some() && is_done(&Sums::of(&item))))
    }

    /// Notes that a leg was gone. One that is gone twice counts once, with all that was found by either.
    pub(super) async fn note(
        &self,
        audit: &AuditId,
        leg: &str,
        outcome: &Outcome,
        next: usize,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let findings = outcome.findings.iter().map(|finding| {
            let mut item = to_key(&keys::finding(audit, &finding.kind.to_string(), &finding.subject));
            item.insert(TTL.to_owned(), expiry(now));
            Write::Put(item)
        });
        self.stats.write_all(findings.collect(), deadline).await?;
        retry::until(deadline, || {
            Box::pin(async move {
                let key = keys::audited(audit, leg);
                let held = self.stats.get(&key, Consistency::Strong).await?;
                let was = held.as_ref().map(Sums::of).unwrap_or_default();
                let mut sums: BTreeMap<String, i64> =
                    outcome.sums().iter().map(|(name, sum)| (name.to_owned(), sum)).collect();
                sums.insert(ENDED.to_owned(), 1);
                sums.insert(BEGUN.to_owned(), i64::try_from(next).unwrap_or(i64::MAX));
                for (name, sum) in was.iter() {
                    let most = sums.entry(name.to_owned()).or_default();
                    *most = sum.max(*most);
                }
                let becomes: Sums = sums.into_iter().collect();
                let mut item: Item = to_key(&key);
                becomes.write(&mut item);
                item.insert(VERSION.to_owned(), AttributeValue::S(self.ids.fresh()));
                item.insert(TTL.to_owned(), expiry(now));
                let mut contributions = Contributions::new(&self.stats);
                contributions.child(item, held.as_ref().and_then(|held| text(held, VERSION)).map(str::to_owned));
                contributions.changes(keys::audit(audit), &was, &becomes);
                contributions.commit(self.ids.fresh(), now).await
            })
        })
        .await
    }

    /// How far an audit has come and what it found; `None` if there is none of this id, or it was long ago.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn report<'a>(&'a self, audit: &'a AuditId) -> BoxFuture<'a, Result<Option<AuditReport>, StoreError>> {
        Box::pin(async move {
            let key = keys::audit(audit);
            let Some(item) = self.stats.get(&key, Consistency::Strong).await? else { return Ok(None) };
            // What a leg notes after its audit has expired is no audit.
            let Some(started_at) = text(&item, STARTED) else { return Ok(None) };
            let corrupt = |error: &dyn std::fmt::Display| StoreError::corrupt(&key.pk, error);
            let sums = Sums::of(&item);
            let counts = |prefix: &'static str| {
                sums.iter().filter_map(move |(name, sum)| Some((name.strip_prefix(prefix)?, sum)))
            };
            let checked: Result<BTreeMap<Checked, i64>, String> =
                counts("checked#").map(|(word, count)| Ok((word.parse()?, count))).collect();
            let found: Result<BTreeMap<FindingKind, i64>, String> =
                counts("found#").map(|(word, count)| Ok((word.parse()?, count))).collect();
            let findings = KeyRange::beginning(key.pk.clone(), keys::FINDINGS);
            let findings = self.stats.some(&findings, TOLD, false).await?;
            let finding = |item: &Item| {
                let (kind, subject) = text(item, keys::SK)?.strip_prefix(keys::FINDINGS)?.split_once('#')?;
                Some(Finding { kind: kind.parse().ok()?, subject: subject.to_owned() })
            };
            Ok(Some(AuditReport {
                started_at: started_at.parse().map_err(|error| corrupt(&error))?,
                scope: scope(&item).map_err(|error| corrupt(&error))?,
                since: text(&item, SINCE).map(str::parse).transpose().map_err(|error| corrupt(&error))?,
                as_of: text(&item, AS_OF).unwrap_or_default().parse().map_err(|error| corrupt(&error))?,
                is_done: is_done(&sums),
                checked: checked.map_err(|error| corrupt(&error))?,
                found: found.map_err(|error| corrupt(&error))?,
                findings: findings.iter().filter_map(finding).collect(),
            }))
        })
    }

    /// The last audits, the newest first.
    ///
    /// # Errors
    /// If they could not be read.
    pub fn last(&self) -> BoxFuture<'_, Result<Vec<ListedAudit>, StoreError>> {
        Box::pin(async move {
            let all = KeyRange::beginning(keys::AUDITS.to_owned(), "");
            let items = self.stats.some(&all, LISTED, true).await?;
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
    fn a_finding_fits_into_a_key_whatever_it_is_of() {
        let mut outcome = Outcome::default();
        outcome.found(FindingKind::Ledger, "\u{20ac}".repeat(1_024));
        let audit: AuditId = "a".repeat(64).parse().unwrap();
        let finding = outcome.findings.first().unwrap();
        assert_eq!(finding.subject, "\u{20ac}".repeat(300));
        assert!(keys::finding(&audit, &finding.kind.to_string(), &finding.subject).sk.len() <= 1_024);
    }
}
