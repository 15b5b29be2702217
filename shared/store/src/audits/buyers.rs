//! Audits of buyers: what they own and what they bought, against their purchases, and the cohorts they are counted in.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::repairs::repair_all;
use super::{Audits, Outcome};
use crate::buyers::{first_of, sums_of};
use crate::error::StoreError;
use crate::items::{Item, from_item, key_of};
use crate::keys::{self, Key};
use crate::retry;
use crate::sums::Sums;
use crate::table::{Consistency, KeyRange};
use domain::audit::{Checked, FindingKind};
use domain::calendar::Period;
use domain::date_range;
use domain::purchase::{Buyer, Purchase};

impl Audits {
    /// Compares what a buyer owns and the buyer's totals with the purchases.
    pub(super) async fn audit_buyer(&self, buyer: &Buyer, deadline: Instant) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        outcome.add_checked(Checked::Buyers);
        outcome.findings.extend(repair_all(deadline, || Box::pin(self.repair_ownership(buyer))).await?);
        // The total is repaired before its days: the repair of a day changes the total by its difference, so a total
        // that is the sum of the days stays so.
        if retry::until(deadline, || Box::pin(self.repair_buyer_total(buyer))).await? {
            outcome.add_finding(FindingKind::Buyer, keys::purchases_of(buyer));
        }
        let wrong = retry::until(deadline, || Box::pin(self.wrong_days(buyer))).await?;
        if !wrong.is_empty() {
            let days = BTreeMap::from([(buyer.clone(), wrong)]);
            if let Some((_, error)) = self.buyers.refresh(&days, deadline).await.into_iter().next() {
                return Err(error);
            }
            outcome.add_finding(FindingKind::Buyer, keys::purchases_of(buyer));
        }
        if let Some(counted) = retry::until(deadline, || Box::pin(self.miscounted_months(buyer))).await? {
            let none = BTreeMap::from([(buyer.clone(), BTreeSet::new())]);
            if let Some((_, error)) = self.buyers.refresh(&none, deadline).await.into_iter().next() {
                return Err(error);
            }
            outcome.add_finding(FindingKind::Cohort, keys::purchases_of(buyer));
            // Cohorts were changed by the months as they were counted, not as they are.
            let right = self.stats.get(&keys::cohort_of(buyer), Consistency::Strong).await?;
            let right = right.as_ref().map(Sums::of).unwrap_or_default();
            for month in BTreeSet::from([first_of(&counted), first_of(&right)]).into_iter().flatten() {
                if self.repair_cohort(&month, deadline).await? {
                    outcome.add_finding(FindingKind::Cohort, format!("{}/{month}", keys::COHORTS));
                }
            }
        }
        if retry::until(deadline, || Box::pin(self.repair_member(buyer))).await? {
            outcome.add_finding(FindingKind::Cohort, keys::purchases_of(buyer));
            let counted = self.stats.get(&keys::cohort_of(buyer), Consistency::Strong).await?;
            if let Some(month) = counted.as_ref().map(Sums::of).as_ref().and_then(first_of)
                && self.repair_cohort(&month, deadline).await?
            {
                outcome.add_finding(FindingKind::Cohort, format!("{}/{month}", keys::COHORTS));
            }
        }
        Ok(outcome)
    }

    /// The purchases of a buyer with their items, strongly consistent.
    pub(super) async fn purchases_of(&self, buyer: &Buyer) -> Result<Vec<(Item, Purchase)>, StoreError> {
        let all = KeyRange::with_prefix(keys::purchases_of(buyer), "");
        let entries = self.ledger.query(&all, Consistency::Strong).await?;
        entries.into_iter().map(|entry| Ok((entry.clone(), from_item(entry)?))).collect()
    }

    /// The days on which the buyer's sums differ from the purchases.
    async fn wrong_days(&self, buyer: &Buyer) -> Result<BTreeSet<Period>, StoreError> {
        let stored = KeyRange::with_prefix(keys::purchases_of(buyer), keys::CONTRIBUTIONS);
        let stored = self.stats.query(&stored, Consistency::Strong).await?;
        let mut stored: BTreeMap<Key, Sums> =
            stored.iter().filter_map(|item| Some((key_of(item)?, Sums::of(item)))).collect();
        let (mut purchases, mut young): (BTreeMap<Period, Vec<Purchase>>, BTreeSet<Period>) = Default::default();
        for (entry, purchase) in self.purchases_of(buyer).await? {
            let day = date_range::day_of(purchase.purchased_at);
            if self.is_young(&entry) {
                young.insert(day);
            }
            purchases.entry(day).or_default().push(purchase);
        }
        let mut wrong = BTreeSet::new();
        let total = keys::buyer_total(buyer);
        for (day, purchases) in purchases {
            let is = stored.remove(&keys::bought_on(buyer, &day)).unwrap_or_default();
            if is.without_zeros() != sums_of(&purchases) && !young.contains(&day) {
                wrong.insert(day);
            }
        }
        for (key, sums) in stored {
            if !sums.without_zeros().is_empty() {
                wrong.insert(keys::parse_bought_on(&key.sk).map_err(|error| StoreError::corrupt(&key.sk, error))?);
            }
        }
        if !wrong.is_empty() {
            self.double_check.confirm((&total, "days"), None, &wrong)?;
        }
        Ok(wrong)
    }

    /// Sets a buyer's total to the sum of the buyer's days. Returns whether it differed.
    async fn repair_buyer_total(&self, buyer: &Buyer) -> Result<bool, StoreError> {
        let key = keys::buyer_total(buyer);
        let stored = self.stats.get(&key, Consistency::Strong).await?;
        let all = KeyRange::with_prefix(key.pk.clone(), keys::CONTRIBUTIONS);
        let sums = Sums::of_all(&self.stats.query(&all, Consistency::Strong).await?);
        self.repair_sums(&key, stored.as_ref(), &sums).await
    }
}
