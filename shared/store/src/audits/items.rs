//! Audits of items: their sums of days, months and all times, against their minutes.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::repairs::{Repairs, repair_all};
use super::{AuditStep, Audits, Outcome, period};
use crate::contributions::Contribution;
use crate::error::StoreError;
use crate::folds::{Budget, Live};
use crate::items::{Item, from_item, key_of, text};
use crate::keys::{self, Key, SK};
use crate::retry;
use crate::sums::{Summed, Sums};
use crate::table::{Consistency, KeyRange};
use domain::audit::{Checked, FindingKind};
use domain::calendar::{Calendar, Level, Period};
use domain::entity::{Bucket, Entity};
use domain::purchase::Item as Sold;
use domain::sale::SalesFigures;
use domain::time::Minute;

/// How many items a task audits.
const ITEMS_PER_TASK: usize = 25;

/// The minutes of an item's sales in a day or a month.
fn minutes_of(item: &Sold, period: &Period) -> KeyRange {
    let separator = if period.level() == Level::Month { '-' } else { 'T' };
    KeyRange::with_prefix(
        keys::entity(&Entity::PurchasedItem(item.clone())),
        &format!("{}{period}{separator}", keys::LIVE_BUCKETS),
    )
}

impl Audits {
    /// Audits the next items that were sold in a month.
    pub(super) async fn audit_items(
        &self,
        month: &Period,
        after: Option<&str>,
        deadline: Instant,
    ) -> Result<(Option<AuditStep>, Outcome), StoreError> {
        let mut range = KeyRange::with_prefix(keys::revenue_in(month), keys::CONTRIBUTIONS);
        if let Some(after) = after {
            range.from = format!("{after} ");
        }
        let limit = i32::try_from(ITEMS_PER_TASK).unwrap_or(i32::MAX);
        let contributions = retry::until(deadline, || Box::pin(self.stats.query_page(&range, limit, false))).await?;
        let mut outcome = Outcome::default();
        for stored in &contributions {
            let sk = text(stored, SK).unwrap_or_default();
            let item = keys::parse_revenue_of(sk).map_err(|error| StoreError::corrupt(sk, error))?;
            outcome.add_checked(Checked::Items);
            outcome.merge(self.audit_item(&item, month, deadline).await?);
        }
        let last =
            contributions.last().and_then(|stored| text(stored, SK)).filter(|_| contributions.len() == ITEMS_PER_TASK);
        let next = last.map(|last| AuditStep::Items { month: month.to_string(), after: Some(last.to_owned()) });
        Ok((next, outcome))
    }

    /// Sets an item's sums of a month and its days to those of the minutes, and the item's total to the sum of its
    /// months.
    async fn audit_item(&self, item: &Sold, month: &Period, deadline: Instant) -> Result<Outcome, StoreError> {
        let mut outcome = self.refold_minutes_without_facts(item, month, deadline).await?;
        let wrong = repair_all(deadline, || Box::pin(self.repair_days(item, month))).await?;
        let total = retry::until(deadline, || Box::pin(self.repair_item_total(item))).await?;
        // The contributions to revenue are copies of what was repaired.
        for period in wrong.iter().map(|(_, period)| period) {
            self.revenue.refresh_period(period, std::slice::from_ref(item), deadline).await?;
        }
        for key in wrong.into_iter().map(|(key, _)| key).chain(total) {
            outcome.add_finding(FindingKind::Total, format!("{}/{}", key.pk, key.sk));
        }
        Ok(outcome)
    }

    /// Refolds minutes of an item, and refreshes the revenue that they contribute to.
    pub(super) async fn refold(
        &self,
        item: &Sold,
        minutes: BTreeSet<Minute>,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let minutes = BTreeMap::from([(item.clone(), minutes)]);
        let failed = self.folds.refold_sales(minutes.clone(), Budget::WHOLE, deadline).await;
        if let Some((_, error)) = failed.into_iter().next() {
            return Err(error);
        }
        match self.revenue.refresh(&minutes, deadline).await.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }

    /// The minutes of a day or a month that have sales, in hours without facts: a scan of the ledger does not find
    /// them.
    async fn minutes_without_facts(&self, item: &Sold, period: &Period) -> Result<BTreeSet<Minute>, StoreError> {
        let entity = Entity::PurchasedItem(item.clone());
        let minutes = minutes_of(item, period);
        let mut hours: BTreeMap<String, BTreeSet<Minute>> = BTreeMap::new();
        for bucket in self.stats.query(&minutes, Consistency::Strong).await? {
            let sk = text(&bucket, SK).unwrap_or_default();
            let minute = keys::parse_bucket(sk).map_err(|error| StoreError::corrupt(sk, error))?;
            let live: Live<SalesFigures> = from_item(bucket)?;
            if !live.value.by_key.is_empty() {
                hours.entry(keys::facts_of_hour(&entity, minute.hour())).or_default().insert(minute);
            }
        }
        let mut foreign = BTreeSet::new();
        for (hour, minutes) in hours {
            let facts = KeyRange::with_prefix(hour, "");
            // The cheap query may be a moment old. Only where it finds nothing, the strongly consistent one is made.
            let is_empty = self.ledger.query_page(&facts, 1, false).await?.is_empty();
            if is_empty && self.ledger.query(&facts, Consistency::Strong).await?.is_empty() {
                foreign.extend(minutes);
            }
        }
        Ok(foreign)
    }

    /// Sets an item's sums of a day, or of a month and its days, to those of the minutes, which are read after them.
    async fn repair_days(&self, item: &Sold, of: &Period) -> Result<Repairs<(Key, Period)>, StoreError> {
        let whole = keys::sales_in(item, of);
        let mut stored: BTreeMap<Key, Option<Item>> =
            BTreeMap::from([(whole.clone(), self.stats.get(&whole, Consistency::Strong).await?)]);
        if of.level() == Level::Month {
            let days = KeyRange::with_prefix(whole.pk.clone(), &format!("{}{of}-", keys::rollups_of(Level::Day)));
            for day in self.stats.query(&days, Consistency::Strong).await? {
                stored.extend(key_of(&day).map(|key| (key, Some(day))));
            }
        }
        let minutes = minutes_of(item, of);
        let mut sums: BTreeMap<Key, Sums> = BTreeMap::new();
        for bucket in self.stats.query(&minutes, Consistency::Strong).await? {
            let sk = text(&bucket, SK).unwrap_or_default();
            let minute = keys::parse_bucket(sk).map_err(|error| StoreError::corrupt(sk, error))?;
            let live: Live<SalesFigures> = from_item(bucket)?;
            let of_minute: Sums = live.value.sums();
            let day = Calendar::default().period(Level::Day, minute.start());
            for key in BTreeSet::from([whole.clone(), keys::sales_in(item, &day)]) {
                sums.entry(key).or_default().add(&of_minute);
            }
        }
        let keys: BTreeSet<Key> = stored.keys().chain(sums.keys()).cloned().collect();
        let mut repairs = Repairs::default();
        for key in keys {
            let sums = sums.remove(&key).unwrap_or_default();
            let day = key.sk.strip_prefix(keys::rollups_of(Level::Day));
            let of = day.map_or(Ok(*of), |day| period(Level::Day, day))?;
            let repaired = self.repair_sums(&key, stored.remove(&key).flatten().as_ref(), &sums).await;
            repairs.record(repaired, (key, of))?;
        }
        Ok(repairs)
    }

    /// Sets an item's total to the sum of its months. Returns its key if it differed.
    async fn repair_item_total(&self, item: &Sold) -> Result<Option<Key>, StoreError> {
        let key = keys::sales_total(item);
        let stored = self.stats.get(&key, Consistency::Strong).await?;
        let months = KeyRange::with_prefix(key.pk.clone(), keys::rollups_of(Level::Month));
        let sums = Sums::of_all(&self.stats.query(&months, Consistency::Strong).await?);
        Ok(self.repair_sums(&key, stored.as_ref(), &sums).await?.then_some(key))
    }

    /// Refreshes what an item contributes to the revenue of a period if it is wrong, unless the sums are too young.
    pub(super) async fn audit_contribution(
        &self,
        item: &Sold,
        period: &Period,
        deadline: Instant,
    ) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        let key = keys::revenue_of(period, item);
        let stored = self.stats.get(&key, Consistency::Strong).await?;
        let source = self.stats.get(&keys::sales_in(item, period), Consistency::Strong).await?;
        let Some(source) = source else {
            // There were sales, so there must be sums.
            let month = Calendar::default().period(Level::Month, period.start());
            outcome.merge(self.audit_item(item, &month, deadline).await?);
            return Ok(outcome);
        };
        let contributed = Contribution::read(stored.as_ref()).sums;
        if contributed.without_zeros() == Sums::of(&source).without_zeros() || self.is_young(&source) {
            return Ok(outcome);
        }
        self.revenue.refresh_period_once(period, std::slice::from_ref(item), deadline).await?;
        outcome.add_finding(FindingKind::Contribution, format!("{}/{}", key.pk, key.sk));
        Ok(outcome)
    }

    /// Sets an item's sums of a day to those of its minutes, and the item's total to the sum of its months. Where the
    /// month is not the sum of its days, it does not show which day is wrong, so the whole month is audited.
    pub(super) async fn audit_day(&self, item: &Sold, day: &Period, deadline: Instant) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        outcome.add_checked(Checked::Items);
        outcome.merge(self.refold_minutes_without_facts(item, day, deadline).await?);
        let wrong = repair_all(deadline, || Box::pin(self.repair_days(item, day))).await?;
        if !wrong.is_empty() {
            self.revenue.refresh_period(day, std::slice::from_ref(item), deadline).await?;
        }
        for (key, _) in wrong {
            outcome.add_finding(FindingKind::Total, format!("{}/{}", key.pk, key.sk));
        }
        let month = Calendar::default().period(Level::Month, day.start());
        let key = keys::sales_in(item, &month);
        let days = KeyRange::with_prefix(key.pk.clone(), &format!("{}{month}-", keys::rollups_of(Level::Day)));
        if !retry::until(deadline, || Box::pin(self.is_sum(key.clone(), &days))).await? {
            let whole = self.audit_item(item, &month, deadline).await?;
            outcome.findings.extend(whole.findings);
            return Ok(outcome);
        }
        if let Some(key) = retry::until(deadline, || Box::pin(self.repair_item_total(item))).await? {
            outcome.add_finding(FindingKind::Total, format!("{}/{}", key.pk, key.sk));
        }
        Ok(outcome)
    }

    /// Refolds the minutes of a period that have sales, in hours without facts: a scan of the ledger does not find
    /// them.
    async fn refold_minutes_without_facts(
        &self,
        item: &Sold,
        period: &Period,
        deadline: Instant,
    ) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        let foreign = retry::until(deadline, || Box::pin(self.minutes_without_facts(item, period))).await?;
        if !foreign.is_empty() {
            for minute in &foreign {
                let key = keys::bucket(&Bucket { entity: Entity::PurchasedItem(item.clone()), minute: *minute });
                outcome.add_finding(FindingKind::Bucket, format!("{}/{}", key.pk, key.sk));
            }
            self.refold(item, foreign, deadline).await?;
        }
        Ok(outcome)
    }
}
