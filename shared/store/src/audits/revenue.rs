//! Audits of the revenue of all items: what items contribute to a day or month, the sums of that, and the rankings.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use tokio::time::Instant;

use super::repairs::{Repairs, repair_all};
use super::{Audits, Outcome, period};
use crate::contributions::{Contribution, ContributionBatch};
use crate::error::StoreError;
use crate::items::{Item, VERSION, key_of, text, to_key};
use crate::keys::{self, Key, SK};
use crate::retry;
use crate::revenue::places;
use crate::sums::Sums;
use crate::table::{Consistency, KeyRange};
use domain::audit::{Checked, FindingKind};
use domain::calendar::{Level, Period};
use domain::purchase::{Item as Sold, ItemType};

/// How many places of one item a transaction repairs, with its contribution.
const MAX_PLACES: usize = 90;

impl Audits {
    /// Audits the revenue of a month and its days.
    pub(super) async fn audit_revenue(&self, month: &Period, deadline: Instant) -> Result<Outcome, StoreError> {
        let days =
            KeyRange::with_prefix(keys::REVENUE.to_owned(), &format!("{}{month}-", keys::rollups_of(Level::Day)));
        let rows = retry::until(deadline, || Box::pin(self.stats.query(&days, Consistency::Strong))).await?;
        let mut periods = BTreeSet::from([*month]);
        for row in &rows {
            let sk = text(row, SK).unwrap_or_default();
            let (day, _) = keys::parse_revenue(Level::Day, sk).map_err(|error| StoreError::corrupt(sk, error))?;
            periods.insert(period(Level::Day, &day)?);
        }
        let mut outcome = Outcome::default();
        for period in periods {
            outcome.merge(self.audit_period(&period, deadline).await?);
        }
        Ok(outcome)
    }

    /// Sets the revenue of a day or a month to the sum of the contributions, and repairs its rankings.
    pub(super) async fn audit_period(&self, period: &Period, deadline: Instant) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        outcome.add_checked(Checked::Periods);
        for item in retry::until(deadline, || Box::pin(self.repair_contributions(period, deadline))).await? {
            let key = keys::revenue_of(period, &item);
            outcome.add_finding(FindingKind::Contribution, format!("{}/{}", key.pk, key.sk));
        }
        for key in repair_all(deadline, || Box::pin(self.repair_revenue_sums(period))).await? {
            outcome.add_finding(FindingKind::Revenue, format!("{}/{}", key.pk, key.sk));
        }
        for item in repair_all(deadline, || Box::pin(self.repair_places(period))).await? {
            let key = keys::revenue_of(period, &item);
            outcome.add_finding(FindingKind::Ranking, format!("{}/{}", key.pk, key.sk));
        }
        Ok(outcome)
    }

    /// Compares all contributions to a period with their sources, which are read after them, and refreshes those that
    /// differ.
    async fn repair_contributions(&self, period: &Period, deadline: Instant) -> Result<Vec<Sold>, StoreError> {
        let all = KeyRange::with_prefix(keys::revenue_in(period), keys::CONTRIBUTIONS);
        let mut stored: BTreeMap<Sold, Sums> = BTreeMap::new();
        for contribution in self.stats.query(&all, Consistency::Strong).await? {
            let sk = text(&contribution, SK).unwrap_or_default();
            let item = keys::parse_revenue_of(sk).map_err(|error| StoreError::corrupt(sk, error))?;
            stored.insert(item, Sums::of(&contribution).without_zeros());
        }
        let keys = stored.keys().map(|item| keys::sales_in(item, period)).collect();
        let sources = self.stats.get_all(keys, Consistency::Strong, deadline).await?;
        let is_wrong = |item: &Sold, sums: &Sums| {
            let source = sources.get(&keys::sales_in(item, period));
            let is = source.map(Sums::of).unwrap_or_default().without_zeros();
            is != *sums && !source.is_some_and(|source| self.is_young(source))
        };
        let wrong: Vec<Sold> =
            stored.into_iter().filter(|(item, sums)| is_wrong(item, sums)).map(|(item, _)| item).collect();
        if !wrong.is_empty() {
            let name = Key { pk: keys::revenue_in(period), sk: String::new() };
            self.double_check.confirm((&name, "contributions"), None, &wrong)?;
        }
        for item in &wrong {
            self.revenue.refresh_period(period, std::slice::from_ref(item), deadline).await?;
        }
        Ok(wrong)
    }

    /// Sets the revenue of each item type in a period to the sum of its contributions.
    pub(super) async fn repair_revenue_sums(&self, period: &Period) -> Result<Repairs<Key>, StoreError> {
        let mut stored = BTreeMap::new();
        for kind in ItemType::ALL {
            let key = keys::revenue(period, *kind);
            let row = self.stats.get(&key, Consistency::Strong).await?;
            stored.insert(*kind, (key, row, Sums::default()));
        }
        let all = KeyRange::with_prefix(keys::revenue_in(period), keys::CONTRIBUTIONS);
        for contribution in self.stats.query(&all, Consistency::Strong).await? {
            let sk = text(&contribution, SK).unwrap_or_default();
            let item = keys::parse_revenue_of(sk).map_err(|error| StoreError::corrupt(sk, error))?;
            if let Some((_, _, sums)) = stored.get_mut(&item.kind) {
                sums.add(&Sums::of(&contribution));
            }
        }
        let mut repairs = Repairs::default();
        for (key, row, sums) in stored.into_values() {
            repairs.record(self.repair_sums(&key, row.as_ref(), &sums).await, key)?;
        }
        Ok(repairs)
    }

    /// Moves items to their right places in the rankings of a period, in one transaction with their unchanged
    /// contribution.
    async fn repair_places(&self, period: &Period) -> Result<Repairs<Sold>, StoreError> {
        let all = KeyRange::with_prefix(keys::revenue_in(period), "");
        let (mut stored, mut taken): (BTreeMap<Sold, Item>, BTreeMap<Sold, BTreeSet<Key>>) = Default::default();
        for read in self.stats.query(&all, Consistency::Strong).await? {
            let Some(key) = key_of(&read) else { continue };
            if let Ok(item) = keys::parse_revenue_of(&key.sk) {
                stored.insert(item, read);
            } else {
                let item = keys::parse_place(&key.sk).map_err(|error| StoreError::corrupt(&key.sk, error))?;
                taken.entry(item).or_default().insert(key);
            }
        }
        let items: BTreeSet<Sold> = stored.keys().chain(taken.keys()).cloned().collect();
        let mut repairs = Repairs::default();
        for item in items {
            let contribution = Contribution::read(stored.get(&item));
            let right = places(period, &item, &contribution.sums)?;
            let taken = taken.remove(&item).unwrap_or_default();
            let changes: Vec<&Key> = right.symmetric_difference(&taken).take(MAX_PLACES).collect();
            if !changes.is_empty() {
                let (key, version) = (keys::revenue_of(period, &item), contribution.version.as_deref());
                if self.double_check.confirm((&key, "places"), version, &changes).is_err() {
                    repairs.repeat();
                    continue;
                }
            }
            let mut batch = ContributionBatch::new(&self.stats);
            for place in changes {
                if right.contains(place) {
                    batch.put(to_key(place));
                } else {
                    batch.delete(place.clone());
                }
            }
            if batch.is_empty() {
                continue;
            }
            let key = keys::revenue_of(period, &item);
            let mut same = stored.remove(&item).unwrap_or_else(|| to_key(&key));
            let version = self.ids.fresh();
            same.insert(VERSION.to_owned(), AttributeValue::S(version.clone()));
            batch.replace(same, contribution.version);
            repairs.record(batch.commit(version, self.now()).await.map(|()| true), item)?;
        }
        Ok(repairs)
    }
}
