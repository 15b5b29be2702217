//! Buyers: what they have and what they bought, held against their purchases; and those who came back, against their months.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use tokio::time::Instant;

use super::part::{Part, until_all};
use super::{Audits, Outcome};
use crate::buyers::first_of;
use crate::contributions::Contributions;
use crate::error::StoreError;
use crate::items::{Item, VERSION, from_item, number, text, to_key};
use crate::keys::{self, Key, SK};
use crate::purchases::{PURCHASE, SINCE, STANDING};
use crate::retry;
use crate::sums::Sums;
use crate::table::{Consistency, KeyRange};
use crate::transaction::Condition;
use domain::audit::{Checked, Finding, FindingKind};
use domain::calendar::Period;
use domain::days;
use domain::id::PurchaseId;
use domain::purchase::{Buyer, Item as Sold, Purchase, Status};

impl Audits {
    /// Holds what a buyer has, and what is known of the buyer, against the purchases.
    pub(super) async fn audit_buyer(&self, buyer: &Buyer, deadline: Instant) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        outcome.saw(Checked::Buyers);
        outcome.findings.extend(until_all(deadline, || Box::pin(self.audit_ownership(buyer))).await?);
        // First: what a day that is wrong makes a difference to is the sum of all days before it is put right, and after it.
        if retry::until(deadline, || Box::pin(self.audit_total(buyer))).await? {
            outcome.found(FindingKind::Buyer, keys::purchases_of(buyer));
        }
        let wrong = retry::until(deadline, || Box::pin(self.wrong_days(buyer))).await?;
        if !wrong.is_empty() {
            let days = BTreeMap::from([(buyer.clone(), wrong)]);
            if let Some((_, error)) = self.buyers.follow(&days, deadline).await.into_iter().next() {
                return Err(error);
            }
            outcome.found(FindingKind::Buyer, keys::purchases_of(buyer));
        }
        if let Some(counted) = retry::until(deadline, || Box::pin(self.is_miscounted(buyer))).await? {
            let none = BTreeMap::from([(buyer.clone(), BTreeSet::new())]);
            if let Some((_, error)) = self.buyers.follow(&none, deadline).await.into_iter().next() {
                return Err(error);
            }
            outcome.found(FindingKind::Cohort, keys::purchases_of(buyer));
            // Cohorts were changed by what was said to be counted, and not by what was.
            let right = self.stats.get(&keys::cohort_of(buyer), Consistency::Strong).await?;
            let right = right.as_ref().map(Sums::of).unwrap_or_default();
            for month in BTreeSet::from([first_of(&counted), first_of(&right)]).into_iter().flatten() {
                if self.settle_cohort(&month, deadline).await? {
                    outcome.found(FindingKind::Cohort, format!("{}/{month}", keys::COHORTS));
                }
            }
        }
        if retry::until(deadline, || Box::pin(self.audit_member(buyer))).await? {
            outcome.found(FindingKind::Cohort, keys::purchases_of(buyer));
            let counted = self.stats.get(&keys::cohort_of(buyer), Consistency::Strong).await?;
            if let Some(month) = counted.as_ref().map(Sums::of).as_ref().and_then(first_of)
                && self.settle_cohort(&month, deadline).await?
            {
                outcome.found(FindingKind::Cohort, format!("{}/{month}", keys::COHORTS));
            }
        }
        Ok(outcome)
    }

    /// What is there of who has what is read first, the purchases after it; where they differ, it is written on the condition
    /// that it is as it was: every purchase changes it.
    async fn audit_ownership(&self, buyer: &Buyer) -> Result<Part<Finding>, StoreError> {
        let mut part = Part::default();
        let owned = KeyRange::beginning(keys::owned_by(buyer), "");
        let mut held: BTreeMap<Sold, Item> = BTreeMap::new();
        for item in self.state.query(&owned, Consistency::Strong).await? {
            let sk = text(&item, SK).unwrap_or_default();
            held.insert(keys::parse_owned(sk).map_err(|error| StoreError::corrupt(sk, error))?, item);
        }
        let mut bought: BTreeMap<Sold, Vec<Purchase>> = BTreeMap::new();
        for purchase in self.purchases_of(buyer).await?.into_iter().map(|(_, purchase)| purchase) {
            bought.entry(purchase.item.clone()).or_default().push(purchase);
        }
        let items: BTreeSet<Sold> = held.keys().chain(bought.keys()).cloned().collect();
        for item in items {
            let (held, bought) = (held.remove(&item), bought.remove(&item).unwrap_or_default());
            let stands = |purchase: &&Purchase| purchase.status == Status::Completed;
            let standing: Vec<&Purchase> = bought.iter().filter(stands).collect();
            let count = i64::try_from(standing.len()).unwrap_or(i64::MAX);
            let says: Option<i64> = held.as_ref().map_or(Some(0), |held| number(held, STANDING));
            let named = held.as_ref().and_then(|held| text(held, PURCHASE));
            let named = bought.iter().find(|purchase| named == Some(purchase.id.as_str()));
            // Of a product that was bought several times, the last purchase is named, though it may have been given back.
            let is_named = named.is_some_and(|named| stands(&named) || !item.kind.is_had_once());
            if says == Some(count) && (is_named || standing.is_empty()) {
                continue;
            }
            // Before anything is taken away: the purchase may be there, and only the list of purchases wrong.
            if says > Some(count)
                && let Some(unlisted) = self.unlisted(buyer, &item, held.as_ref(), &standing).await?
            {
                let (relisted, _) = self.audit_purchase(&unlisted).await?;
                for finding in relisted.findings {
                    part.note(Ok(true), finding)?;
                }
                part.look_again();
                return Ok(part);
            }
            let key = keys::ownership(buyer, &item);
            let mut owned = to_key(&key);
            owned.insert(VERSION.to_owned(), AttributeValue::S(self.ids.fresh()));
            owned.insert(STANDING.to_owned(), AttributeValue::N(count.to_string()));
            if let Some(last) = standing.iter().max_by_key(|purchase| purchase.completed_at) {
                owned.insert(PURCHASE.to_owned(), AttributeValue::S(last.id.to_string()));
                let since = last.completed_at.unwrap_or(last.purchased_at);
                owned.insert(SINCE.to_owned(), AttributeValue::S(since.to_string()));
            }
            let version = held.as_ref().and_then(|held| text(held, VERSION)).map(str::to_owned);
            let finding = Finding { kind: FindingKind::Ownership, subject: format!("{}/{}", key.pk, key.sk) };
            if self.looks.confirm((&key, "ownership"), version.as_deref(), &standing).is_err() {
                part.look_again();
                continue;
            }
            let is_foreign = held.is_some() && version.is_none();
            let condition = if is_foreign { Condition::default() } else { Condition::still(version) };
            part.note(self.state.put(owned, condition).await.map(|()| true), finding)?;
        }
        Ok(part)
    }

    /// The purchase by which a buyer is said to have an item, if it stands and is not listed so.
    async fn unlisted(
        &self,
        buyer: &Buyer,
        item: &Sold,
        held: Option<&Item>,
        standing: &[&Purchase],
    ) -> Result<Option<PurchaseId>, StoreError> {
        let named: Option<PurchaseId> = held.and_then(|held| text(held, PURCHASE)?.parse().ok());
        let Some(named) = named.filter(|named| standing.iter().all(|purchase| purchase.id != *named)) else {
            return Ok(None);
        };
        let purchase = self.ledger.get(&keys::purchase(&named), Consistency::Strong).await?;
        let purchase: Option<Purchase> = purchase.map(from_item).transpose()?;
        let stands = purchase.is_some_and(|purchase| {
            purchase.status == Status::Completed && purchase.buyer == *buyer && purchase.item == *item
        });
        Ok(stands.then_some(named))
    }

    /// A buyer's purchases with their items, strongly consistent.
    async fn purchases_of(&self, buyer: &Buyer) -> Result<Vec<(Item, Purchase)>, StoreError> {
        let all = KeyRange::beginning(keys::purchases_of(buyer), "");
        let entries = self.ledger.query(&all, Consistency::Strong).await?;
        entries.into_iter().map(|entry| Ok((entry.clone(), from_item(entry)?))).collect()
    }

    /// The days of which a buyer's numbers are not those of the purchases.
    async fn wrong_days(&self, buyer: &Buyer) -> Result<BTreeSet<Period>, StoreError> {
        let held = KeyRange::beginning(keys::purchases_of(buyer), keys::CONTRIBUTIONS);
        let held = self.stats.query(&held, Consistency::Strong).await?;
        let mut held: BTreeMap<Key, Sums> =
            held.iter().filter_map(|item| Some((crate::items::key_of(item)?, Sums::of(item)))).collect();
        let (mut purchases, mut young): (BTreeMap<Period, Vec<Purchase>>, BTreeSet<Period>) = Default::default();
        for (entry, purchase) in self.purchases_of(buyer).await? {
            let day = days::day_of(purchase.purchased_at);
            if self.is_young(&entry) {
                young.insert(day);
            }
            purchases.entry(day).or_default().push(purchase);
        }
        let mut wrong = BTreeSet::new();
        let total = keys::buyer_total(buyer);
        for (day, purchases) in purchases {
            let is = held.remove(&keys::bought_on(buyer, &day)).unwrap_or_default();
            if is.without_zeros() != crate::buyers::sums_of(&purchases) && !young.contains(&day) {
                wrong.insert(day);
            }
        }
        for (key, sums) in held {
            if !sums.without_zeros().is_empty() {
                wrong.insert(keys::parse_bought_on(&key.sk).map_err(|error| StoreError::corrupt(&key.sk, error))?);
            }
        }
        if !wrong.is_empty() {
            self.looks.confirm((&total, "days"), None, &wrong)?;
        }
        Ok(wrong)
    }

    /// Makes what a buyer bought all in all the sum of the days; tells whether it was not.
    async fn audit_total(&self, buyer: &Buyer) -> Result<bool, StoreError> {
        let key = keys::buyer_total(buyer);
        let held = self.stats.get(&key, Consistency::Strong).await?;
        let all = KeyRange::beginning(key.pk.clone(), keys::CONTRIBUTIONS);
        let sums = Sums::of_all(&self.stats.query(&all, Consistency::Strong).await?);
        self.settle(&key, held.as_ref(), &sums).await
    }

    /// Puts a buyer among those of the cohort in which the buyer is counted; tells whether it was not so.
    async fn audit_member(&self, buyer: &Buyer) -> Result<bool, StoreError> {
        let counted = self.stats.get(&keys::cohort_of(buyer), Consistency::Strong).await?;
        let Some(counted) = counted else { return Ok(false) };
        let months = Sums::of(&counted);
        let Some(first) = first_of(&months) else { return Ok(false) };
        let key = keys::in_cohort(&first, buyer);
        let held = self.stats.get(&key, Consistency::Strong).await?;
        if held.as_ref().map(Sums::of).as_ref() == Some(&months) {
            return Ok(false);
        }
        self.looks.confirm((&key, "member"), text(&counted, VERSION), &months)?;
        let mut member = to_key(&key);
        months.write(&mut member);
        self.stand(&counted, |contributions| contributions.put(member)).await?;
        Ok(true)
    }

    /// Changes a member of a cohort if and when what says how the buyer is counted is still as it was read.
    async fn stand(&self, counted: &Item, change: impl FnOnce(&mut Contributions<'_>)) -> Result<(), StoreError> {
        let mut contributions = Contributions::new(&self.stats);
        let mut same = counted.clone();
        let version = self.ids.fresh();
        same.insert(VERSION.to_owned(), AttributeValue::S(version.clone()));
        contributions.child(same, text(counted, VERSION).map(str::to_owned));
        change(&mut contributions);
        contributions.commit(version, self.now()).await
    }

    /// In which months a buyer is counted, if those are not the months in which the buyer bought.
    async fn is_miscounted(&self, buyer: &Buyer) -> Result<Option<Sums>, StoreError> {
        let counted = self.stats.get(&keys::cohort_of(buyer), Consistency::Strong).await?;
        let Some(total) = self.stats.get(&keys::buyer_total(buyer), Consistency::Strong).await? else {
            return Ok(None);
        };
        let counted = counted.as_ref().map(Sums::of).unwrap_or_default();
        let is_wrong = !self.is_young(&total) && counted != crate::buyers::months(&Sums::of(&total));
        if is_wrong {
            self.looks.confirm((&keys::buyer_total(buyer), "cohort"), text(&total, VERSION), &counted)?;
        }
        Ok(is_wrong.then_some(counted))
    }

    /// Makes the members of a cohort those who are counted in it, and the cohort the sum of its members.
    pub(super) async fn walk_cohort(&self, month: &Period, deadline: Instant) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        let name = month.to_string();
        let foreign = until_all(deadline, || Box::pin(self.foreign_members(&name, deadline))).await?;
        let was_wrong = self.settle_cohort(&name, deadline).await?;
        if !foreign.is_empty() || was_wrong {
            outcome.found(FindingKind::Cohort, format!("{}/{month}", keys::COHORTS));
        }
        if self.stats.get(&keys::cohort(&name), Consistency::Strong).await?.is_some() {
            outcome.saw(Checked::Cohorts);
        }
        Ok(outcome)
    }

    /// Takes those out of a cohort who are not counted in it; tells who they were.
    async fn foreign_members(&self, month: &str, deadline: Instant) -> Result<Part<Buyer>, StoreError> {
        let members = KeyRange::beginning(keys::cohort_members(month), "");
        let mut held = BTreeSet::new();
        for member in self.stats.query(&members, Consistency::Strong).await? {
            let sk = text(&member, SK).unwrap_or_default();
            held.insert(sk.parse::<Buyer>().map_err(|error| StoreError::corrupt(sk, error))?);
        }
        let asked = held.iter().map(keys::cohort_of).collect();
        let counted = self.stats.get_all(asked, Consistency::Strong, deadline).await?;
        let mut part = Part::default();
        for buyer in held {
            let guard = counted.get(&keys::cohort_of(&buyer));
            if guard.map(Sums::of).as_ref().and_then(first_of).as_deref() != Some(month) {
                let nobody = to_key(&keys::cohort_of(&buyer));
                let member = keys::in_cohort(month, &buyer);
                let gone = self.stand(guard.unwrap_or(&nobody), |contributions| contributions.delete(member)).await;
                part.note(gone.map(|()| true), buyer)?;
            }
        }
        Ok(part)
    }

    /// Makes a cohort the sum of its members; tells whether it was not.
    pub(super) async fn settle_cohort(&self, month: &str, deadline: Instant) -> Result<bool, StoreError> {
        let settled = retry::until(deadline, || {
            let key = keys::cohort(month);
            let members = KeyRange::beginning(keys::cohort_members(month), "");
            Box::pin(async move {
                let held = self.stats.get(&key, Consistency::Strong).await?;
                let sums = Sums::of_all(&self.stats.query(&members, Consistency::Strong).await?);
                self.settle(&key, held.as_ref(), &sums).await
            })
        });
        settled.await
    }
}
