//! Numbers: an item's are held against its minutes, those of all items against what each contributes.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::part::{Part, until_all};
use super::{AuditStep, Audits, Outcome, period};
use crate::contributions::{Contribution, Contributions};
use crate::error::StoreError;
use crate::folds::{Budget, Live};
use crate::items::{Item, VERSION, from_item, key_of, text, to_key};
use crate::keys::{self, Key, SK};
use crate::retry;
use crate::revenue::places;
use crate::sums::{Summed, Sums};
use crate::table::{Consistency, KeyRange};
use domain::audit::{Checked, FindingKind};
use domain::calendar::{Calendar, Level, Period};
use domain::entity::Entity;
use domain::purchase::{Item as Sold, ItemType};
use domain::sale::SalesFigures;
use domain::time::Minute;

/// How many items a leg looks at.
const LEG: usize = 25;

/// How many places of one item are put right in one transaction, with its contribution.
const PLACES_TOGETHER: usize = 90;

/// The minutes of an item's sales in a day or a month.
fn minutes_of(item: &Sold, period: &Period) -> KeyRange {
    let behind = if period.level() == Level::Month { '-' } else { 'T' };
    KeyRange::beginning(keys::entity(&Entity::Sales(item.clone())), &format!("{}{period}{behind}", keys::LIVE_BUCKETS))
}

impl Audits {
    /// Looks at the next items that were sold in a month.
    pub(super) async fn walk_items(
        &self,
        month: &Period,
        after: Option<&str>,
        deadline: Instant,
    ) -> Result<(Option<AuditStep>, Outcome), StoreError> {
        let mut stretch = KeyRange::beginning(keys::revenue_in(month), keys::CONTRIBUTIONS);
        if let Some(after) = after {
            stretch.from = format!("{after} ");
        }
        let limit = i32::try_from(LEG).unwrap_or(i32::MAX);
        let met = retry::until(deadline, || Box::pin(self.stats.some(&stretch, limit, false))).await?;
        let mut outcome = Outcome::default();
        for held in &met {
            let sk = text(held, SK).unwrap_or_default();
            let item = keys::parse_revenue_of(sk).map_err(|error| StoreError::corrupt(sk, error))?;
            outcome.saw(Checked::Items);
            outcome.merge(self.audit_item(&item, month, deadline).await?);
        }
        let last = met.last().and_then(|held| text(held, SK)).filter(|_| met.len() == LEG);
        let next = last.map(|last| AuditStep::Items { month: month.to_string(), after: Some(last.to_owned()) });
        Ok((next, outcome))
    }

    /// Makes an item's numbers of a month and of its days the sum of its minutes, and those of all times that of its months.
    pub(super) async fn audit_item(
        &self,
        item: &Sold,
        month: &Period,
        deadline: Instant,
    ) -> Result<Outcome, StoreError> {
        let mut outcome = self.audit_foreign(item, month, deadline).await?;
        let wrong = until_all(deadline, || Box::pin(self.settle_days(item, month))).await?;
        let total = retry::until(deadline, || Box::pin(self.settle_total(item))).await?;
        // What is contributed is a copy of what was put right.
        for period in wrong.iter().map(|(_, period)| period) {
            let items = std::slice::from_ref(item);
            retry::until(deadline, || Box::pin(self.revenue.follow_in(period, items, deadline))).await?;
        }
        for key in wrong.into_iter().map(|(key, _)| key).chain(total) {
            outcome.found(FindingKind::Total, format!("{}/{}", key.pk, key.sk));
        }
        Ok(outcome)
    }

    /// Folds minutes of an item anew, and brings that into what is made of them.
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
        match self.revenue.follow(&minutes, deadline).await.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }

    /// The minutes of a day or a month with sales in hours that have no facts, which the ledger does not lead to.
    pub(super) async fn foreign_minutes(&self, item: &Sold, period: &Period) -> Result<BTreeSet<Minute>, StoreError> {
        let entity = Entity::Sales(item.clone());
        let minutes = minutes_of(item, period);
        let mut hours: BTreeMap<String, BTreeSet<Minute>> = BTreeMap::new();
        for bucket in self.stats.query(&minutes, Consistency::Strong).await? {
            let sk = text(&bucket, SK).unwrap_or_default();
            let minute = keys::parse_bucket(sk).map_err(|error| StoreError::corrupt(sk, error))?;
            let live: Live<SalesFigures> = from_item(bucket)?;
            if !live.value.tills.is_empty() {
                hours.entry(keys::facts_of_hour(&entity, minute.hour())).or_default().insert(minute);
            }
        }
        let mut foreign = BTreeSet::new();
        for (hour, minutes) in hours {
            let facts = KeyRange::beginning(hour, "");
            // The cheap question may be answered of a moment ago; where it finds nothing, the other one is asked.
            let is_empty = self.ledger.some(&facts, 1, false).await?.is_empty();
            if is_empty && self.ledger.query(&facts, Consistency::Strong).await?.is_empty() {
                foreign.extend(minutes);
            }
        }
        Ok(foreign)
    }

    /// Makes what there is of a day, or of a month and all its days, the sum of the minutes, which are read after it.
    pub(super) async fn settle_days(&self, item: &Sold, of: &Period) -> Result<Part<(Key, Period)>, StoreError> {
        let of_all = keys::sales_in(item, of);
        let mut held: BTreeMap<Key, Option<Item>> =
            BTreeMap::from([(of_all.clone(), self.stats.get(&of_all, Consistency::Strong).await?)]);
        if of.level() == Level::Month {
            let days = KeyRange::beginning(of_all.pk.clone(), &format!("{}{of}-", keys::rollups_of(Level::Day)));
            for day in self.stats.query(&days, Consistency::Strong).await? {
                held.extend(key_of(&day).map(|key| (key, Some(day))));
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
            for key in BTreeSet::from([of_all.clone(), keys::sales_in(item, &day)]) {
                sums.entry(key).or_default().add(&of_minute);
            }
        }
        let keys: BTreeSet<Key> = held.keys().chain(sums.keys()).cloned().collect();
        let mut part = Part::default();
        for key in keys {
            let sums = sums.remove(&key).unwrap_or_default();
            let day = key.sk.strip_prefix(keys::rollups_of(Level::Day));
            let of = day.map_or(Ok(*of), |day| period(Level::Day, day))?;
            let settled = self.settle(&key, held.remove(&key).flatten().as_ref(), &sums).await;
            part.note(settled, (key, of))?;
        }
        Ok(part)
    }

    pub(super) async fn settle_total(&self, item: &Sold) -> Result<Option<Key>, StoreError> {
        let key = keys::sales_total(item);
        let held = self.stats.get(&key, Consistency::Strong).await?;
        let months = KeyRange::beginning(key.pk.clone(), keys::rollups_of(Level::Month));
        let sums = Sums::of_all(&self.stats.query(&months, Consistency::Strong).await?);
        Ok(self.settle(&key, held.as_ref(), &sums).await?.then_some(key))
    }

    /// Makes what an item contributes to a period what it brought in, unless that is so young that it need not be yet.
    pub(super) async fn audit_contribution(
        &self,
        item: &Sold,
        period: &Period,
        deadline: Instant,
    ) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        let key = keys::revenue_of(period, item);
        let held = self.stats.get(&key, Consistency::Strong).await?;
        let source = self.stats.get(&keys::sales_in(item, period), Consistency::Strong).await?;
        let Some(source) = source else {
            // There were sales, so there are to be numbers.
            let month = Calendar::default().period(Level::Month, period.start());
            outcome.merge(self.audit_item(item, &month, deadline).await?);
            return Ok(outcome);
        };
        let contributed = Contribution::read(held.as_ref()).sums;
        if contributed.without_zeros() == Sums::of(&source).without_zeros() || self.is_young(&source) {
            return Ok(outcome);
        }
        self.revenue.follow_in(period, std::slice::from_ref(item), deadline).await?;
        outcome.found(FindingKind::Contribution, format!("{}/{}", key.pk, key.sk));
        Ok(outcome)
    }

    /// Makes what all items brought in in a month, and in its days, the sum of what they contribute, and the lists theirs.
    pub(super) async fn walk_revenue(&self, month: &Period, deadline: Instant) -> Result<Outcome, StoreError> {
        let days = KeyRange::beginning(keys::REVENUE.to_owned(), &format!("{}{month}-", keys::rollups_of(Level::Day)));
        let rows = retry::until(deadline, || Box::pin(self.stats.query(&days, Consistency::Strong))).await?;
        let mut periods = BTreeSet::from([*month]);
        for row in &rows {
            let sk = text(row, SK).unwrap_or_default();
            let (day, _) = keys::parse_revenue(Level::Day, sk).map_err(|error| StoreError::corrupt(sk, error))?;
            periods.insert(period(Level::Day, &day)?);
        }
        let mut outcome = Outcome::default();
        for period in periods {
            outcome.merge(self.walk_period(&period, deadline).await?);
        }
        Ok(outcome)
    }

    /// Makes what all items brought in in a day or a month the sum of what they contribute, and the lists theirs.
    pub(super) async fn walk_period(&self, period: &Period, deadline: Instant) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        outcome.saw(Checked::Periods);
        for item in retry::until(deadline, || Box::pin(self.settle_contributions(period, deadline))).await? {
            let key = keys::revenue_of(period, &item);
            outcome.found(FindingKind::Contribution, format!("{}/{}", key.pk, key.sk));
        }
        for key in until_all(deadline, || Box::pin(self.settle_rows(period))).await? {
            outcome.found(FindingKind::Revenue, format!("{}/{}", key.pk, key.sk));
        }
        for item in until_all(deadline, || Box::pin(self.settle_places(period))).await? {
            let key = keys::revenue_of(period, &item);
            outcome.found(FindingKind::Ranking, format!("{}/{}", key.pk, key.sk));
        }
        Ok(outcome)
    }

    /// Holds all that is contributed to a period against what it is a copy of, which is read after it.
    async fn settle_contributions(&self, period: &Period, deadline: Instant) -> Result<Vec<Sold>, StoreError> {
        let all = KeyRange::beginning(keys::revenue_in(period), keys::CONTRIBUTIONS);
        let mut held: BTreeMap<Sold, Sums> = BTreeMap::new();
        for contribution in self.stats.query(&all, Consistency::Strong).await? {
            let sk = text(&contribution, SK).unwrap_or_default();
            let item = keys::parse_revenue_of(sk).map_err(|error| StoreError::corrupt(sk, error))?;
            held.insert(item, Sums::of(&contribution).without_zeros());
        }
        let asked = held.keys().map(|item| keys::sales_in(item, period)).collect();
        let sources = self.stats.get_all(asked, Consistency::Strong, deadline).await?;
        let is_wrong = |item: &Sold, sums: &Sums| {
            let source = sources.get(&keys::sales_in(item, period));
            let is = source.map(Sums::of).unwrap_or_default().without_zeros();
            is != *sums && !source.is_some_and(|source| self.is_young(source))
        };
        let wrong: Vec<Sold> =
            held.into_iter().filter(|(item, sums)| is_wrong(item, sums)).map(|(item, _)| item).collect();
        if !wrong.is_empty() {
            let name = Key { pk: keys::revenue_in(period), sk: String::new() };
            self.looks.confirm((&name, "contributions"), None, &wrong)?;
        }
        for item in &wrong {
            let items = std::slice::from_ref(item);
            retry::until(deadline, || Box::pin(self.revenue.follow_in(period, items, deadline))).await?;
        }
        Ok(wrong)
    }

    pub(super) async fn settle_rows(&self, period: &Period) -> Result<Part<Key>, StoreError> {
        let mut held = BTreeMap::new();
        for kind in ItemType::ALL {
            let key = keys::revenue(period, *kind);
            let row = self.stats.get(&key, Consistency::Strong).await?;
            held.insert(*kind, (key, row, Sums::default()));
        }
        let all = KeyRange::beginning(keys::revenue_in(period), keys::CONTRIBUTIONS);
        for contribution in self.stats.query(&all, Consistency::Strong).await? {
            let sk = text(&contribution, SK).unwrap_or_default();
            let item = keys::parse_revenue_of(sk).map_err(|error| StoreError::corrupt(sk, error))?;
            if let Some((_, _, sums)) = held.get_mut(&item.kind) {
                sums.add(&Sums::of(&contribution));
            }
        }
        let mut part = Part::default();
        for (key, row, sums) in held.into_values() {
            part.note(self.settle(&key, row.as_ref(), &sums).await, key)?;
        }
        Ok(part)
    }

    /// Puts items into their places in the lists of a period and takes them out of all others, on the condition that what they
    /// contribute is as it was read.
    async fn settle_places(&self, period: &Period) -> Result<Part<Sold>, StoreError> {
        let all = KeyRange::beginning(keys::revenue_in(period), "");
        let (mut held, mut there): (BTreeMap<Sold, Item>, BTreeMap<Sold, BTreeSet<Key>>) = Default::default();
        for read in self.stats.query(&all, Consistency::Strong).await? {
            let Some(key) = key_of(&read) else { continue };
            if let Ok(item) = keys::parse_revenue_of(&key.sk) {
                held.insert(item, read);
            } else {
                let item = keys::parse_place(&key.sk).map_err(|error| StoreError::corrupt(&key.sk, error))?;
                there.entry(item).or_default().insert(key);
            }
        }
        let items: BTreeSet<Sold> = held.keys().chain(there.keys()).cloned().collect();
        let mut part = Part::default();
        for item in items {
            let contribution = Contribution::read(held.get(&item));
            let right = places(period, &item, &contribution.sums)?;
            let there = there.remove(&item).unwrap_or_default();
            let changes: Vec<&Key> = right.symmetric_difference(&there).take(PLACES_TOGETHER).collect();
            if !changes.is_empty() {
                let (key, version) = (keys::revenue_of(period, &item), contribution.version.as_deref());
                if self.looks.confirm((&key, "places"), version, &changes).is_err() {
                    part.look_again();
                    continue;
                }
            }
            let mut contributions = Contributions::new(&self.stats);
            for place in changes {
                if right.contains(place) {
                    contributions.put(to_key(place));
                } else {
                    contributions.delete(place.clone());
                }
            }
            if contributions.items() == 0 {
                continue;
            }
            let key = keys::revenue_of(period, &item);
            let mut same = held.remove(&item).unwrap_or_else(|| to_key(&key));
            let version = self.ids.fresh();
            same.insert(VERSION.to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(version.clone()));
            contributions.child(same, contribution.version);
            part.note(contributions.commit(version, self.now()).await.map(|()| true), item)?;
        }
        Ok(part)
    }
}
