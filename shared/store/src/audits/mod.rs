//! Audits: everything that follows from the ledger is compared with it and repaired.
//!
//! An audit is a job whose tasks a queue brings. A full audit scans the ledger segment by segment, because it trusts no
//! index: it audits every buyer, every item and every hour with sales that it comes across. It then compares numbers
//! with what they are made of, month by month. An audit of changes covers what the ledger's transactions have listed as
//! written since the last complete audit, and what follows from that (see `changes`).
//!
//! Work in progress is not a finding. A read of several items may see a part of a transaction, so a difference counts
//! only when it is found twice (see `double_check`). A value that changes in one transaction with its source is read
//! before the source and written on the version that was read; where another writer was faster, it is audited again.
//! What a stream brings about is audited only after it has had time to happen ([`YOUNG`]). So an audit finds nothing
//! where nothing is wrong, however much is bought meanwhile.

mod buyers;
mod changes;
mod cohorts;
mod items;
mod ledger;
mod outcome;
mod ownership;
mod repairs;
mod revenue;
mod task;

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::buyers::BuyerProjector;
use super::contributions::{AS_OF, stored_version};
use super::double_check::DoubleCheck;
use super::error::StoreError;
use super::folds::Folds;
use super::items::{Item, TTL, VERSION, number, text, to_key};
use super::keys::{self, Key};
use super::purchases::RECORDED;
use super::revenue::RevenueProjector;
use super::sums::Sums;
use super::table::{Consistency, KeyRange};
use super::transaction::Condition;
use crate::setup::{PurchasesTable, Setup, StateTable, StatsTable};
use domain::audit::Scope;
use domain::calendar::{Calendar, Level, Period};
use domain::id::AuditId;
use domain::time::Time;
use system::clock::Clock;
use system::ids::Ids;

pub use outcome::{AuditReport, Outcome};
pub use task::{AuditStep, AuditTask, ListedAudit, StartedAudit};

/// How long a stream may take to bring something about before it is audited.
pub const YOUNG: TimeDelta = TimeDelta::minutes(15);

/// The number of segments in which the ledger is scanned.
const SEGMENTS: i32 = 8;

/// How many items of the ledger a task reads by default.
const TASK_SIZE: usize = 500;

/// How long the report of an audit is kept.
const RETENTION: TimeDelta = TimeDelta::days(90);

/// How many audits are listed.
const MAX_LISTED: i32 = 20;

/// Audits of all purchases.
#[derive(Clone)]
pub struct Audits {
    ledger: PurchasesTable,
    state: StateTable,
    stats: StatsTable,
    folds: Folds,
    revenue: RevenueProjector,
    buyers: BuyerProjector,
    double_check: DoubleCheck,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    task_size: usize,
}

impl Audits {
    /// Opens the audits.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self {
            ledger: setup.purchases_table(),
            state: setup.state_table(),
            stats: setup.stats_table(),
            folds: Folds::of_purchases(setup),
            revenue: RevenueProjector::open(setup),
            buyers: BuyerProjector::open(setup),
            double_check: DoubleCheck::default(),
            clock: setup.clock(),
            ids: setup.ids(),
            task_size: TASK_SIZE,
        }
    }

    /// The same with tasks of so many items of the ledger.
    #[must_use]
    pub fn with_task_size(self, items: usize) -> Self {
        Self { task_size: items.max(1), ..self }
    }

    fn now(&self) -> Time {
        Time::from(self.clock.now())
    }

    /// Whether an item is so young that what follows from it may not exist yet.
    fn is_young(&self, item: &Item) -> bool {
        let recorded: Option<i64> = number(item, RECORDED);
        let counted = text(item, AS_OF).and_then(|at| at.parse::<Time>().ok()).map(Time::millis);
        let since = self.now().plus(-YOUNG).millis();
        recorded.max(counted).is_some_and(|at| at > since)
    }

    /// Starts an audit. An audit of changes becomes a full one where no complete audit is known to start from.
    ///
    /// # Errors
    /// If it could not be stored.
    pub fn start(&self, scope: Scope) -> BoxFuture<'_, Result<StartedAudit, StoreError>> {
        Box::pin(async move {
            let fresh = self.ids.fresh();
            let audit: AuditId = fresh.parse().map_err(|error| StoreError::corrupt(&fresh, error))?;
            // The time is taken before anything is read: the next audit covers what came after it.
            let now = self.now();
            let since = match scope {
                Scope::Full => None,
                Scope::Changes => self.last_complete_start().await?,
            };
            let (scope, steps) = match since {
                None => (Scope::Full, self.full_steps().await?),
                Some(since) => (Scope::Changes, self.steps_since(since).await?),
            };
            self.store_start(&audit, since, steps.len(), now).await?;
            let tasks = steps.into_iter().map(|step| AuditTask { audit: audit.clone(), step }).collect();
            Ok(StartedAudit { audit, scope, tasks })
        })
    }

    /// The steps of a full audit.
    async fn full_steps(&self) -> Result<Vec<AuditStep>, StoreError> {
        let mut steps: Vec<AuditStep> =
            (0..SEGMENTS).map(|segment| AuditStep::Ledger { segment, after: None }).collect();
        let months = self.months().await?;
        for month in months.iter().cloned() {
            steps.push(AuditStep::Items { month: month.clone(), after: None });
            steps.push(AuditStep::Revenue { month });
        }
        // Every month with purchases may be a cohort, whether or not there is an item for it.
        let cohorts = KeyRange::with_prefix(keys::COHORTS.to_owned(), "");
        let cohorts = self.stats.query(&cohorts, Consistency::Strong).await?;
        let cohorts = cohorts.iter().filter_map(|cohort| text(cohort, keys::SK).map(str::to_owned));
        let cohorts: BTreeSet<String> = cohorts.chain(months).collect();
        steps.extend(cohorts.into_iter().map(|month| AuditStep::Cohort { month }));
        Ok(steps)
    }

    /// The months with revenue, by the sums of the months and of their days.
    async fn months(&self) -> Result<BTreeSet<String>, StoreError> {
        let mut months = BTreeSet::new();
        for level in [Level::Month, Level::Day] {
            let rows = KeyRange::with_prefix(keys::REVENUE.to_owned(), keys::rollups_of(level));
            for row in self.stats.query(&rows, Consistency::Strong).await? {
                let named = keys::parse_revenue(level, text(&row, keys::SK).unwrap_or_default());
                let month = named.ok().and_then(|(name, _)| name.get(.."2026-01".len()).map(str::to_owned));
                months.extend(month);
            }
        }
        Ok(months)
    }

    /// Runs a task, retrying until the deadline. Returns the tasks that follow it, and its outcome.
    ///
    /// # Errors
    /// The last failure, once the deadline has passed.
    pub fn run_task<'a>(
        &'a self,
        task: &'a AuditTask,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(Vec<AuditTask>, Outcome), StoreError>> {
        Box::pin(async move {
            let (next, outcome) = match &task.step {
                AuditStep::Ledger { segment, after } => self.audit_ledger(*segment, after.as_ref(), deadline).await?,
                AuditStep::Items { month, after } => {
                    self.audit_items(&period(Level::Month, month)?, after.as_deref(), deadline).await?
                }
                AuditStep::Changes { day, lane, since, after } => {
                    self.audit_changes((day, *lane, *since), after.as_deref(), deadline).await?
                }
                AuditStep::Period { period: name } => {
                    let level = if name.len() == "2026-01".len() { Level::Month } else { Level::Day };
                    (None, self.audit_period(&period(level, name)?, deadline).await?)
                }
                AuditStep::Revenue { month } => {
                    (None, self.audit_revenue(&period(Level::Month, month)?, deadline).await?)
                }
                AuditStep::Cohort { month } => {
                    (None, self.audit_cohort(&period(Level::Month, month)?, deadline).await?)
                }
                AuditStep::CohortSum { month } => {
                    (None, self.audit_cohort_sum(&period(Level::Month, month)?, deadline).await?)
                }
            };
            let next: Vec<AuditTask> =
                next.into_iter().map(|step| AuditTask { audit: task.audit.clone(), step }).collect();
            self.record(&task.audit, &task.step.name(), &outcome, next.len(), deadline).await?;
            Ok((next, outcome))
        })
    }

    /// Sets the sums of a parent to those of its children, which were read after it. Returns whether they differed.
    async fn repair_sums(&self, key: &Key, stored: Option<&Item>, sums: &Sums) -> Result<bool, StoreError> {
        let stored_sums = stored.map(Sums::of).unwrap_or_default();
        let version = stored.and_then(stored_version);
        if stored_sums.without_zeros() == sums.without_zeros() {
            // A child that was repaired in between has changed the parent as well. Then the two reads are of different
            // moments, and their equality proves nothing.
            let now = self.stats.get(key, Consistency::Strong).await?;
            let is_still = now.as_ref().and_then(|now| text(now, VERSION)) == version.as_deref();
            return if is_still { Ok(false) } else { Err(StoreError::Conflict) };
        }
        self.double_check.confirm((key, "sums"), version.as_deref(), sums)?;
        let mut item = stored.cloned().unwrap_or_else(|| to_key(key));
        item.retain(|name, value| name == TTL || !value.is_n());
        sums.without_zeros().write(&mut item);
        item.insert(VERSION.to_owned(), AttributeValue::S(self.ids.fresh()));
        item.insert(AS_OF.to_owned(), AttributeValue::S(self.now().to_string()));
        // An item without a version was not written by this program.
        let condition =
            if stored.is_some() && version.is_none() { Condition::default() } else { Condition::unchanged(version) };
        self.stats.put(item, condition).await?;
        Ok(true)
    }

    /// Whether a parent is the sum of its children, all as of one moment.
    async fn is_sum(&self, key: Key, children: &KeyRange) -> Result<bool, StoreError> {
        let stored = self.stats.get(&key, Consistency::Strong).await?;
        let sums = Sums::of_all(&self.stats.query(children, Consistency::Strong).await?);
        let now = self.stats.get(&key, Consistency::Strong).await?;
        if now.as_ref().and_then(stored_version) != stored.as_ref().and_then(stored_version) {
            return Err(StoreError::Conflict);
        }
        Ok(stored.as_ref().map(Sums::of).unwrap_or_default().without_zeros() == sums.without_zeros())
    }
}

/// Parses a period of UTC.
fn period(level: Level, name: &str) -> Result<Period, StoreError> {
    Calendar::default().parse(level, name).map_err(|error| StoreError::corrupt(name, error))
}
