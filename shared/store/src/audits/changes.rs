//! Audits of what has changed since the last complete audit. Every transaction that writes the ledger lists what it
//! wrote, so the list is complete even where a stream failed.
//!
//! A change leads to its purchase, its buyer, its hour of sales, and the item's day, month and total. The items of
//! revenue and cohorts say when they last changed. What has not changed is left to full audits.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::ledger::{CONCURRENCY, Subject, subject_of};
use super::{AuditStep, Audits, Outcome, YOUNG, period};
use crate::contributions::AS_OF;
use crate::error::StoreError;
use crate::items::{Item, number, text};
use crate::keys::{self, Key, SK};
use crate::purchases::{CHANGED_BUYER, CHANGED_PURCHASE, LISTED, RECORDED};
use crate::retry;
use crate::table::{Consistency, KeyRange};
use domain::audit::FindingKind;
use domain::calendar::{Calendar, Level, Period};
use domain::date_range;
use domain::entity::Bucket;
use domain::id::{AuditId, PurchaseId};
use domain::purchase::{Buyer, Item as Sold};
use domain::time::Time;

/// How far back an audit of changes goes. Changes are listed for a week longer, so that none expires while the audit
/// runs.
const MAX_AGE: TimeDelta = TimeDelta::days(28);

/// How many audits are searched for the last complete one.
const MAX_LOOKBACK: i32 = 100;

/// How many items of the ledger a change leads to, approximately.
const SUBJECTS_PER_CHANGE: usize = 5;

/// The subjects that changes lead to, each once.
#[derive(Default)]
struct ChangedSubjects {
    purchases: BTreeSet<PurchaseId>,
    buyers: BTreeSet<Buyer>,
    /// Hours of an item's sales by partition, each with the key of one of them.
    hours: BTreeMap<String, (Sold, Key)>,
    days: BTreeSet<(Sold, Period)>,
}

impl ChangedSubjects {
    /// Adds the subjects of a change; `None` if the change is corrupt.
    fn add(&mut self, change: &Item) -> Option<()> {
        self.purchases.insert(text(change, CHANGED_PURCHASE)?.parse().ok()?);
        self.buyers.insert(text(change, CHANGED_BUYER)?.parse().ok()?);
        match subject_of(&keys::parse_change(text(change, SK)?)?)? {
            Subject::Hour(item, key) => {
                let (Bucket { minute, .. }, ..) = keys::parse_fact(&key.pk, &key.sk).ok()?;
                self.days.insert((item.clone(), date_range::day_of(minute.start())));
                self.hours.insert(key.pk.clone(), (item, key));
            }
            Subject::Purchase(_) | Subject::Buyer(_) => {}
        }
        Some(())
    }
}

impl Audits {
    /// The time since which an audit of changes has to look: what the last complete audit left out as too young is
    /// audited again. `None` if there is no complete audit as young as the list of changes.
    pub(super) async fn last_complete_start(&self) -> Result<Option<Time>, StoreError> {
        let oldest = self.now().plus(-MAX_AGE);
        let all = KeyRange::with_prefix(keys::AUDITS.to_owned(), "");
        for listed in self.stats.query_page(&all, MAX_LOOKBACK, true).await? {
            let Some((at, id)) = text(&listed, SK).and_then(|sk| sk.split_once('#')) else { continue };
            let at: Time = at.parse().map_err(|error| StoreError::corrupt(at, error))?;
            let since = at.plus(-YOUNG);
            if since < oldest {
                break;
            }
            let audit: AuditId = id.parse().map_err(|error| StoreError::corrupt(id, error))?;
            if self.is_complete(&audit).await? {
                return Ok(Some(since));
            }
        }
        Ok(None)
    }

    /// The steps of an audit of what has changed since a time.
    pub(super) async fn steps_since(&self, since: Time) -> Result<Vec<AuditStep>, StoreError> {
        let calendar = Calendar::default();
        let (mut day, last) = (date_range::day_of(since), date_range::day_of(self.now()));
        let mut steps = Vec::new();
        while day.start() <= last.start() {
            let of_day = (0..keys::CHANGE_LANES).map(|lane| AuditStep::Changes {
                day: day.to_string(),
                lane,
                since,
                after: None,
            });
            steps.extend(of_day);
            day = calendar.next(&day);
        }
        // An item without a time was not written by this program.
        let has_changed =
            |row: &Item| text(row, AS_OF).and_then(|at| at.parse::<Time>().ok()).is_none_or(|at| at >= since);
        let mut periods = BTreeSet::new();
        for level in [Level::Month, Level::Day] {
            let rows = KeyRange::with_prefix(keys::REVENUE.to_owned(), keys::rollups_of(level));
            for row in self.stats.query(&rows, Consistency::Strong).await?.iter().filter(|row| has_changed(row)) {
                let named = keys::parse_revenue(level, text(row, SK).unwrap_or_default());
                periods.extend(named.ok().map(|(name, _)| name));
            }
        }
        steps.extend(periods.into_iter().map(|period| AuditStep::Period { period }));
        let cohorts = KeyRange::with_prefix(keys::COHORTS.to_owned(), "");
        let cohorts = self.stats.query(&cohorts, Consistency::Strong).await?;
        let cohorts = cohorts.iter().filter(|row| has_changed(row)).filter_map(|row| text(row, SK));
        steps.extend(cohorts.map(|month| AuditStep::CohortSum { month: month.to_owned() }));
        Ok(steps)
    }

    /// Audits the subjects of the next changes of a lane.
    pub(super) async fn audit_changes(
        &self,
        (day, lane, since): (&str, u8, Time),
        after: Option<&str>,
        deadline: Instant,
    ) -> Result<(Option<AuditStep>, Outcome), StoreError> {
        if since.plus(LISTED) < self.now() {
            return Err(StoreError::corrupt(
                format!("changes of {day}"),
                "the task runs so late that they are no longer listed",
            ));
        }
        let mut range = KeyRange::with_prefix(keys::changes(&period(Level::Day, day)?, lane), "");
        if let Some(after) = after {
            range.from = format!("{after} ");
        }
        let size = (self.task_size / SUBJECTS_PER_CHANGE).max(1);
        let limit = i32::try_from(size).unwrap_or(i32::MAX);
        let changes = retry::until(deadline, || Box::pin(self.state.query_page(&range, limit, false))).await?;
        let (mut changed, mut outcome) = (ChangedSubjects::default(), Outcome::default());
        for change in changes.iter().filter(|change| number::<i64>(change, RECORDED) >= Some(since.millis())) {
            if changed.add(change).is_none() {
                outcome
                    .add_finding(FindingKind::Ledger, format!("{}/{}", range.pk, text(change, SK).unwrap_or_default()));
            }
        }
        // Purchases before buyers, which are compared with their entries; hours before the days that consist of them.
        let purchases = changed.purchases.into_iter().map(Subject::Purchase).collect();
        let buyers: Vec<Subject> = changed.buyers.iter().cloned().map(Subject::Buyer).collect();
        let hours = changed.hours.into_values().map(|(item, key)| Subject::Hour(item, key)).collect();
        for subjects in [purchases, buyers, hours] {
            outcome.merge(self.audit_subjects(subjects, deadline).await?);
        }
        for buyer in &changed.buyers {
            outcome.merge(self.audit_cohort_of(buyer, deadline).await?);
        }
        let days =
            stream::iter(changed.days).map(|(item, day)| async move { self.audit_day(&item, &day, deadline).await });
        let days: Vec<Outcome> = days.buffer_unordered(CONCURRENCY).try_collect().await?;
        days.into_iter().for_each(|day| outcome.merge(day));
        let last = changes.last().and_then(|change| text(change, SK)).filter(|_| changes.len() == size);
        let next =
            last.map(|last| AuditStep::Changes { day: day.to_owned(), lane, since, after: Some(last.to_owned()) });
        Ok((next, outcome))
    }
}
