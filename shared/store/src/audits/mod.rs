//! Audits: everything that follows from the ledger is held against it, and put right.
//!
//! An audit is done in parts, as a queue brings them. A full audit scans the ledger, segment by segment, for it trusts no
//! index: whoever bought, whatever was bought, and every hour with sales is looked at where it is met. Numbers are held
//! against what they are made of, month by month. An audit of changes looks at what the ledger's own transactions list as
//! written since the last complete audit, and at what follows from that (see `changes`).
//!
//! Nothing is called wrong that is only under way. A read of several items may see a part of a transaction, so a difference
//! counts only when it is found twice (see `looks`). What is changed in one transaction with what it is made of is read first
//! and written on the condition that it is as it was read: where somebody was faster, it is looked at again. What a stream
//! brings about is not looked at before it had time to ([`YOUNG`]). So an audit finds nothing where nothing is wrong, however
//! much is bought meanwhile.

mod changes;
mod ledger;
mod numbers;
mod outcome;
mod part;
mod people;

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::buyers::BuyerProjector;
use super::contributions::{AS_OF, Contributions};
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

/// How long what a stream brings about may take before it is looked at.
pub const YOUNG: TimeDelta = TimeDelta::minutes(15);

/// Into how many segments the ledger is divided.
const SEGMENTS: i32 = 8;

/// How many items of the ledger a part meets, unless it is told otherwise.
const PART: usize = 500;

/// How long what an audit found can be asked for.
const KEPT: TimeDelta = TimeDelta::days(90);

/// How many audits are told of.
const LISTED: i32 = 20;

/// An audit that has begun.
#[derive(Debug)]
pub struct StartedAudit {
    /// Its id.
    pub audit: AuditId,
    /// How much it looks at.
    pub scope: Scope,
    /// Its first parts, which are to be done.
    pub legs: Vec<AuditTask>,
}

/// A part of an audit, as a queue's message says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditTask {
    /// Which audit.
    pub audit: AuditId,
    /// What is to be looked at.
    pub walk: AuditStep,
}

/// What a leg looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum AuditStep {
    /// The next items of a segment of the ledger.
    Ledger {
        /// Which segment.
        segment: i32,
        /// The key of the last item that was looked at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<(String, String)>,
    },
    /// The next items that were sold in a month, as `2026-01`.
    Items {
        /// The month.
        month: String,
        /// The last item that was looked at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// What the next changes of a lane of a day lead to.
    Changes {
        /// The day, as `2026-01-31`.
        day: String,
        /// The lane.
        lane: u8,
        /// Since when changes count.
        since: Time,
        /// The last change that was looked at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// What all items brought in in a day or a month, as `2026-01-31` or `2026-01`.
    Period {
        /// The day or the month.
        period: String,
    },
    /// What all items brought in in a month, as `2026-01`, and in its days.
    Revenue {
        /// The month.
        month: String,
    },
    /// Those who first bought in a month, as `2026-01`.
    Cohort {
        /// The month.
        month: String,
    },
    /// The sum of them, and they themselves where it is wrong.
    CohortSum {
        /// The month.
        month: String,
    },
}

impl AuditStep {
    /// A name that no other leg of the audit has.
    fn name(&self) -> String {
        match self {
            Self::Ledger { segment, after } => {
                let (pk, sk) = after.clone().unwrap_or_default();
                format!("LEDGER#{segment}#{pk}#{sk}")
            }
            Self::Items { month, after } => format!("ITEMS#{month}#{}", after.clone().unwrap_or_default()),
            Self::Changes { day, lane, after, .. } => {
                format!("CHANGES#{day}#{lane}#{}", after.clone().unwrap_or_default())
            }
            Self::Period { period } => format!("PERIOD#{period}"),
            Self::Revenue { month } => format!("REVENUE#{month}"),
            Self::Cohort { month } => format!("COHORT#{month}"),
            Self::CohortSum { month } => format!("COHORTSUM#{month}"),
        }
    }
}

/// An audit among others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedAudit {
    /// Which.
    pub audit_id: String,
    /// When it began.
    pub started_at: String,
    /// How much it looks at.
    pub scope: Scope,
}

/// The audits of all purchases.
#[derive(Clone)]
pub struct Audits {
    ledger: PurchasesTable,
    state: StateTable,
    stats: StatsTable,
    folds: Folds,
    revenue: RevenueProjector,
    buyers: BuyerProjector,
    looks: DoubleCheck,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    part: usize,
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
            looks: DoubleCheck::default(),
            clock: setup.clock(),
            ids: setup.ids(),
            part: PART,
        }
    }

    /// The same in parts of so many items of the ledger.
    #[must_use]
    pub fn in_parts_of(self, items: usize) -> Self {
        Self { part: items.max(1), ..self }
    }

    fn now(&self) -> Time {
        Time::from(self.clock.now())
    }

    /// Whether what is made of this item need not be there yet.
    fn is_young(&self, item: &Item) -> bool {
        let recorded: Option<i64> = number(item, RECORDED);
        let counted = text(item, AS_OF).and_then(|at| at.parse::<Time>().ok()).map(Time::millis);
        let since = self.now().plus(-YOUNG).millis();
        recorded.max(counted).is_some_and(|at| at > since)
    }

    /// Begins an audit. One of changes is a full one where no complete audit says since when.
    ///
    /// # Errors
    /// If it could not be noted.
    pub fn begin(&self, scope: Scope) -> BoxFuture<'_, Result<StartedAudit, StoreError>> {
        Box::pin(async move {
            let fresh = self.ids.fresh();
            let audit: AuditId = fresh.parse().map_err(|error| StoreError::corrupt(&fresh, error))?;
            // Before anything is read: the next audit looks at what came after this.
            let now = self.now();
            let since = match scope {
                Scope::Full => None,
                Scope::Changes => self.since().await?,
            };
            let (scope, walks) = match since {
                None => (Scope::Full, self.everything().await?),
                Some(since) => (Scope::Changes, self.changed(since).await?),
            };
            self.put_begun(&audit, since, walks.len(), now).await?;
            let legs = walks.into_iter().map(|walk| AuditTask { audit: audit.clone(), walk }).collect();
            Ok(StartedAudit { audit, scope, legs })
        })
    }

    /// What a full audit looks at.
    async fn everything(&self) -> Result<Vec<AuditStep>, StoreError> {
        let mut walks: Vec<AuditStep> =
            (0..SEGMENTS).map(|segment| AuditStep::Ledger { segment, after: None }).collect();
        let months = self.months().await?;
        for month in months.iter().cloned() {
            walks.push(AuditStep::Items { month: month.clone(), after: None });
            walks.push(AuditStep::Revenue { month });
        }
        // Who bought in a month at all may have bought first in it, whatever is told of cohorts.
        let cohorts = KeyRange::beginning(keys::COHORTS.to_owned(), "");
        let cohorts = self.stats.query(&cohorts, Consistency::Strong).await?;
        let cohorts = cohorts.iter().filter_map(|cohort| text(cohort, keys::SK).map(str::to_owned));
        let cohorts: BTreeSet<String> = cohorts.chain(months).collect();
        walks.extend(cohorts.into_iter().map(|month| AuditStep::Cohort { month }));
        Ok(walks)
    }

    /// The months in which anything was sold, as their rows and those of their days tell.
    async fn months(&self) -> Result<BTreeSet<String>, StoreError> {
        let mut months = BTreeSet::new();
        for level in [Level::Month, Level::Day] {
            let rows = KeyRange::beginning(keys::REVENUE.to_owned(), keys::rollups_of(level));
            for row in self.stats.query(&rows, Consistency::Strong).await? {
                let named = keys::parse_revenue(level, text(&row, keys::SK).unwrap_or_default());
                let month = named.ok().and_then(|(name, _)| name.get(.."2026-01".len()).map(str::to_owned));
                months.extend(month);
            }
        }
        Ok(months)
    }

    /// Goes a leg, trying again until the deadline; tells the legs that follow it, and what it found.
    ///
    /// # Errors
    /// What stood in the way when the time was up.
    pub fn go<'a>(
        &'a self,
        leg: &'a AuditTask,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<(Vec<AuditTask>, Outcome), StoreError>> {
        Box::pin(async move {
            let (next, outcome) = match &leg.walk {
                AuditStep::Ledger { segment, after } => self.walk_ledger(*segment, after.as_ref(), deadline).await?,
                AuditStep::Items { month, after } => {
                    self.walk_items(&period(Level::Month, month)?, after.as_deref(), deadline).await?
                }
                AuditStep::Changes { day, lane, since, after } => {
                    self.walk_changes((day, *lane, *since), after.as_deref(), deadline).await?
                }
                AuditStep::Period { period: name } => {
                    let level = if name.len() == "2026-01".len() { Level::Month } else { Level::Day };
                    (None, self.walk_period(&period(level, name)?, deadline).await?)
                }
                AuditStep::Revenue { month } => {
                    (None, self.walk_revenue(&period(Level::Month, month)?, deadline).await?)
                }
                AuditStep::Cohort { month } => (None, self.walk_cohort(&period(Level::Month, month)?, deadline).await?),
                AuditStep::CohortSum { month } => {
                    (None, self.walk_cohort_sum(&period(Level::Month, month)?, deadline).await?)
                }
            };
            let next: Vec<AuditTask> =
                next.into_iter().map(|walk| AuditTask { audit: leg.audit.clone(), walk }).collect();
            self.note(&leg.audit, &leg.walk.name(), &outcome, next.len(), deadline).await?;
            Ok((next, outcome))
        })
    }

    /// Makes the sums of a parent those of its children, which were read after it; tells whether they were not.
    async fn settle(&self, key: &Key, held: Option<&Item>, sums: &Sums) -> Result<bool, StoreError> {
        let stored = held.map(Sums::of).unwrap_or_default();
        let version = held.and_then(|held| text(held, VERSION)).map(str::to_owned);
        if stored.without_zeros() == sums.without_zeros() {
            // A child that was put right in between changed the parent too: what was read of both is then of two moments, and
            // that it is equal says nothing.
            let now = self.stats.get(key, Consistency::Strong).await?;
            let is_still = now.as_ref().and_then(|now| text(now, VERSION)) == version.as_deref();
            return if is_still { Ok(false) } else { Err(StoreError::Conflict) };
        }
        self.looks.confirm((key, "sums"), version.as_deref(), sums)?;
        let mut item = held.cloned().unwrap_or_else(|| to_key(key));
        item.retain(|name, value| name == TTL || !value.is_n());
        sums.without_zeros().write(&mut item);
        item.insert(VERSION.to_owned(), AttributeValue::S(self.ids.fresh()));
        item.insert(AS_OF.to_owned(), AttributeValue::S(self.now().to_string()));
        // One without a version is none that is written here.
        let condition =
            if held.is_some() && version.is_none() { Condition::default() } else { Condition::still(version) };
        self.stats.put(item, condition).await?;
        Ok(true)
    }
}

/// A period of UTC by its name.
fn period(level: Level, name: &str) -> Result<Period, StoreError> {
    Calendar::default().parse(level, name).map_err(|error| StoreError::corrupt(name, error))
}
