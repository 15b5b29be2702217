//! What has changed since the last complete audit: every transaction that writes the ledger lists what it wrote, so nothing
//! that a stream failed to bring about can be missing from the list.
//!
//! A change leads to its purchase, its buyer, its hour of sales, and the item's day, month and total. Which days, months and
//! cohorts have changed, their rows tell themselves. What nobody touched is not looked at: a full audit does that.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::ledger::{AT_ONCE, Met, met};
use super::part::until_all;
use super::{AS_OF, AuditStep, Audits, Outcome, YOUNG, period};
use crate::buyers::first_of;
use crate::error::StoreError;
use crate::items::{Item, VERSION, number, text};
use crate::keys::{self, SK};
use crate::purchases::{CHANGED_BUYER, CHANGED_PURCHASE, LISTED, RECORDED};
use crate::retry;
use crate::sums::Sums;
use crate::table::{Consistency, KeyRange};
use domain::audit::{Checked, FindingKind};
use domain::calendar::{Calendar, Level, Period};
use domain::days;
use domain::entity::{Bucket, Entity};
use domain::id::{AuditId, PurchaseId};
use domain::purchase::{Buyer, Item as Sold};
use domain::time::Time;

/// How far back an audit of changes reaches: changes are listed for a week longer, so that none expires while it is under way.
const REACH: TimeDelta = TimeDelta::days(28);

/// How many audits are looked through for the last complete one.
const LOOKED_THROUGH: i32 = 100;

/// How many items of the ledger a change leads to, about.
const LED_TO: usize = 5;

/// What changes lead to; each is looked at once.
#[derive(Default)]
struct Led {
    purchases: BTreeSet<PurchaseId>,
    buyers: BTreeSet<Buyer>,
    /// Hours of an item's sales, each with the key of one of them, by their partitions.
    hours: BTreeMap<String, (Sold, keys::Key)>,
    days: BTreeSet<(Sold, Period)>,
}

impl Led {
    /// Follows a change; `None` if it is none that is written here.
    fn follow(&mut self, change: &Item) -> Option<()> {
        self.purchases.insert(text(change, CHANGED_PURCHASE)?.parse().ok()?);
        self.buyers.insert(text(change, CHANGED_BUYER)?.parse().ok()?);
        match met(&keys::parse_change(text(change, SK)?)?)? {
            Met::Hour(item, key) => {
                let (Bucket { minute, .. }, ..) = keys::parse_fact(&key.pk, &key.sk).ok()?;
                self.days.insert((item.clone(), days::day_of(minute.start())));
                self.hours.insert(key.pk.clone(), (item, key));
            }
            Met::Purchase(_) | Met::Buyer(_) => {}
        }
        Some(())
    }
}

impl Audits {
    /// Since when an audit of changes has to look: what the last complete audit left as too young is looked at again. `None`
    /// if there is none that the list of changes reaches back to.
    pub(super) async fn since(&self) -> Result<Option<Time>, StoreError> {
        let reach = self.now().plus(-REACH);
        let all = KeyRange::beginning(keys::AUDITS.to_owned(), "");
        for listed in self.stats.some(&all, LOOKED_THROUGH, true).await? {
            let Some((at, id)) = text(&listed, SK).and_then(|sk| sk.split_once('#')) else { continue };
            let at: Time = at.parse().map_err(|error| StoreError::corrupt(at, error))?;
            let since = at.plus(-YOUNG);
            if since < reach {
                break;
            }
            let audit: AuditId = id.parse().map_err(|error| StoreError::corrupt(id, error))?;
            if self.is_complete(&audit).await? {
                return Ok(Some(since));
            }
        }
        Ok(None)
    }

    /// What an audit of what has changed since then looks at.
    pub(super) async fn changed(&self, since: Time) -> Result<Vec<AuditStep>, StoreError> {
        let calendar = Calendar::default();
        let (mut day, last) = (days::day_of(since), days::day_of(self.now()));
        let mut walks = Vec::new();
        while day.start() <= last.start() {
            let of_day = (0..keys::CHANGE_LANES).map(|lane| AuditStep::Changes {
                day: day.to_string(),
                lane,
                since,
                after: None,
            });
            walks.extend(of_day);
            day = calendar.next(&day);
        }
        // A row without a time is none that is written here.
        let has_changed =
            |row: &Item| text(row, AS_OF).and_then(|at| at.parse::<Time>().ok()).is_none_or(|at| at >= since);
        let mut periods = BTreeSet::new();
        for level in [Level::Month, Level::Day] {
            let rows = KeyRange::beginning(keys::REVENUE.to_owned(), keys::rollups_of(level));
            for row in self.stats.query(&rows, Consistency::Strong).await?.iter().filter(|row| has_changed(row)) {
                let named = keys::parse_revenue(level, text(row, SK).unwrap_or_default());
                periods.extend(named.ok().map(|(name, _)| name));
            }
        }
        walks.extend(periods.into_iter().map(|period| AuditStep::Period { period }));
        let cohorts = KeyRange::beginning(keys::COHORTS.to_owned(), "");
        let cohorts = self.stats.query(&cohorts, Consistency::Strong).await?;
        let cohorts = cohorts.iter().filter(|row| has_changed(row)).filter_map(|row| text(row, SK));
        walks.extend(cohorts.map(|month| AuditStep::CohortSum { month: month.to_owned() }));
        Ok(walks)
    }

    /// Looks at what the next changes of a lane lead to.
    pub(super) async fn walk_changes(
        &self,
        (day, lane, since): (&str, u8, Time),
        after: Option<&str>,
        deadline: Instant,
    ) -> Result<(Option<AuditStep>, Outcome), StoreError> {
        if since.plus(LISTED) < self.now() {
            return Err(StoreError::corrupt(
                format!("changes of {day}"),
                "this part comes so late that they are no longer listed",
            ));
        }
        let mut stretch = KeyRange::beginning(keys::changes(&period(Level::Day, day)?, lane), "");
        if let Some(after) = after {
            stretch.from = format!("{after} ");
        }
        let part = (self.part / LED_TO).max(1);
        let limit = i32::try_from(part).unwrap_or(i32::MAX);
        let changes = retry::until(deadline, || Box::pin(self.state.some(&stretch, limit, false))).await?;
        let (mut led, mut outcome) = (Led::default(), Outcome::default());
        for change in changes.iter().filter(|change| number::<i64>(change, RECORDED) >= Some(since.millis())) {
            if led.follow(change).is_none() {
                outcome.found(FindingKind::Ledger, format!("{}/{}", stretch.pk, text(change, SK).unwrap_or_default()));
            }
        }
        // Purchases first, for buyers are held against their entries; hours before the days that are made of them.
        let purchases = led.purchases.into_iter().map(Met::Purchase).collect();
        let buyers: Vec<Met> = led.buyers.iter().cloned().map(Met::Buyer).collect();
        let hours = led.hours.into_values().map(|(item, key)| Met::Hour(item, key)).collect();
        for met in [purchases, buyers, hours] {
            outcome.merge(self.look_at_all(met, deadline).await?);
        }
        for buyer in &led.buyers {
            outcome.merge(self.audit_cohort_of(buyer, deadline).await?);
        }
        let days = stream::iter(led.days).map(|(item, day)| async move { self.audit_day(&item, &day, deadline).await });
        let days: Vec<Outcome> = days.buffer_unordered(AT_ONCE).try_collect().await?;
        days.into_iter().for_each(|day| outcome.merge(day));
        let last = changes.last().and_then(|change| text(change, SK)).filter(|_| changes.len() == part);
        let next =
            last.map(|last| AuditStep::Changes { day: day.to_owned(), lane, since, after: Some(last.to_owned()) });
        Ok((next, outcome))
    }

    /// Looks at the members of a cohort one by one only where it is not their sum: those who changed are looked at as buyers.
    pub(super) async fn walk_cohort_sum(&self, month: &Period, deadline: Instant) -> Result<Outcome, StoreError> {
        let name = month.to_string();
        let members = KeyRange::beginning(keys::cohort_members(&name), "");
        let is_sum = retry::until(deadline, || Box::pin(self.is_sum(keys::cohort(&name), &members))).await?;
        if !is_sum {
            return self.walk_cohort(month, deadline).await;
        }
        let mut outcome = Outcome::default();
        outcome.saw(Checked::Cohorts);
        Ok(outcome)
    }

    /// The cohort in which a buyer is counted is there.
    async fn audit_cohort_of(&self, buyer: &Buyer, deadline: Instant) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        let counted = self.stats.get(&keys::cohort_of(buyer), Consistency::Strong).await?;
        let Some(month) = counted.as_ref().map(Sums::of).as_ref().and_then(first_of) else { return Ok(outcome) };
        if self.stats.get(&keys::cohort(&month), Consistency::Strong).await?.is_none()
            && self.settle_cohort(&month, deadline).await?
        {
            outcome.found(FindingKind::Cohort, format!("{}/{month}", keys::COHORTS));
        }
        Ok(outcome)
    }

    /// Makes an item's numbers of a day the sum of its minutes, of the day's month that of its days, and of all times that
    /// of its months. Where a month is not the sum of its days, all of it is held against its minutes: nothing tells which of
    /// its days is wrong.
    async fn audit_day(&self, item: &Sold, day: &Period, deadline: Instant) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        outcome.saw(Checked::Items);
        outcome.merge(self.audit_foreign(item, day, deadline).await?);
        let wrong = until_all(deadline, || Box::pin(self.settle_days(item, day))).await?;
        if !wrong.is_empty() {
            let items = std::slice::from_ref(item);
            retry::until(deadline, || Box::pin(self.revenue.follow_in(day, items, deadline))).await?;
        }
        for (key, _) in wrong {
            outcome.found(FindingKind::Total, format!("{}/{}", key.pk, key.sk));
        }
        let month = Calendar::default().period(Level::Month, day.start());
        let key = keys::sales_in(item, &month);
        let days = KeyRange::beginning(key.pk.clone(), &format!("{}{month}-", keys::rollups_of(Level::Day)));
        if !retry::until(deadline, || Box::pin(self.is_sum(key.clone(), &days))).await? {
            let whole = self.audit_item(item, &month, deadline).await?;
            outcome.findings.extend(whole.findings);
            return Ok(outcome);
        }
        if let Some(key) = retry::until(deadline, || Box::pin(self.settle_total(item))).await? {
            outcome.found(FindingKind::Total, format!("{}/{}", key.pk, key.sk));
        }
        Ok(outcome)
    }

    /// Whether a parent is the sum of its children, all read at one moment.
    async fn is_sum(&self, key: keys::Key, children: &KeyRange) -> Result<bool, StoreError> {
        let version = |held: Option<&Item>| held.and_then(|held| text(held, VERSION)).map(str::to_owned);
        let held = self.stats.get(&key, Consistency::Strong).await?;
        let sums = Sums::of_all(&self.stats.query(children, Consistency::Strong).await?);
        let now = self.stats.get(&key, Consistency::Strong).await?;
        if version(now.as_ref()) != version(held.as_ref()) {
            return Err(StoreError::Conflict);
        }
        Ok(held.as_ref().map(Sums::of).unwrap_or_default().without_zeros() == sums.without_zeros())
    }

    /// Folds the minutes of a period anew that have sales in hours without facts, which the ledger does not lead to.
    pub(super) async fn audit_foreign(
        &self,
        item: &Sold,
        period: &Period,
        deadline: Instant,
    ) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        let foreign = retry::until(deadline, || Box::pin(self.foreign_minutes(item, period))).await?;
        if !foreign.is_empty() {
            for minute in &foreign {
                let key = keys::bucket(&Bucket { entity: Entity::Sales(item.clone()), minute: *minute });
                outcome.found(FindingKind::Bucket, format!("{}/{}", key.pk, key.sk));
            }
            self.refold(item, foreign, deadline).await?;
        }
        Ok(outcome)
    }
}
