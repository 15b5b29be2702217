//! Audits of cohorts: the months in which buyers are counted, the members of each cohort, and their sum.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use tokio::time::Instant;

use super::repairs::{Repairs, repair_all};
use super::{Audits, Outcome};
use crate::buyers::{first_of, months};
use crate::contributions::{ContributionBatch, SideWrite, stored_version};
use crate::error::StoreError;
use crate::items::{Item, VERSION, text, to_key};
use crate::keys::{self, SK};
use crate::retry;
use crate::sums::Sums;
use crate::table::{Consistency, KeyRange};
use domain::audit::{Checked, FindingKind};
use domain::calendar::Period;
use domain::purchase::Buyer;

impl Audits {
    /// Adds a buyer to the members of the cohort in which the buyer is counted. Returns whether the buyer was missing.
    pub(super) async fn repair_member(&self, buyer: &Buyer) -> Result<bool, StoreError> {
        let counted = self.stats.get(&keys::cohort_of(buyer), Consistency::Strong).await?;
        let Some(counted) = counted else { return Ok(false) };
        let months = Sums::of(&counted);
        let Some(first) = first_of(&months) else { return Ok(false) };
        let key = keys::in_cohort(&first, buyer);
        let stored = self.stats.get(&key, Consistency::Strong).await?;
        if stored.as_ref().map(Sums::of).as_ref() == Some(&months) {
            return Ok(false);
        }
        self.double_check.confirm((&key, "member"), text(&counted, VERSION), &months)?;
        let mut member = to_key(&key);
        months.write(&mut member);
        self.write_if_unchanged(&counted, SideWrite::Put(member)).await?;
        Ok(true)
    }

    /// Changes a member of a cohort in one transaction with the unchanged months of the buyer, if they are still as
    /// they were read.
    async fn write_if_unchanged(&self, counted: &Item, write: SideWrite) -> Result<(), StoreError> {
        let mut batch = ContributionBatch::new(&self.stats);
        let mut same = counted.clone();
        let version = self.ids.fresh();
        same.insert(VERSION.to_owned(), AttributeValue::S(version.clone()));
        batch.replace(same, stored_version(counted));
        batch.write(write);
        batch.commit(version, self.now()).await
    }

    /// The months in which a buyer is counted, if they are not the months in which the buyer bought.
    pub(super) async fn miscounted_months(&self, buyer: &Buyer) -> Result<Option<Sums>, StoreError> {
        let counted = self.stats.get(&keys::cohort_of(buyer), Consistency::Strong).await?;
        let Some(total) = self.stats.get(&keys::buyer_total(buyer), Consistency::Strong).await? else {
            return Ok(None);
        };
        let counted = counted.as_ref().map(Sums::of).unwrap_or_default();
        let is_wrong = !self.is_young(&total) && counted != months(&Sums::of(&total));
        if is_wrong {
            self.double_check.confirm((&keys::buyer_total(buyer), "cohort"), text(&total, VERSION), &counted)?;
        }
        Ok(is_wrong.then_some(counted))
    }

    /// Removes members who are not counted in a cohort, and sets the cohort to the sum of its members.
    pub(super) async fn audit_cohort(&self, month: &Period, deadline: Instant) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        let name = month.to_string();
        let foreign = repair_all(deadline, || Box::pin(self.remove_foreign_members(&name, deadline))).await?;
        let was_wrong = self.repair_cohort(&name, deadline).await?;
        if !foreign.is_empty() || was_wrong {
            outcome.add_finding(FindingKind::Cohort, format!("{}/{month}", keys::COHORTS));
        }
        if self.stats.get(&keys::cohort(&name), Consistency::Strong).await?.is_some() {
            outcome.add_checked(Checked::Cohorts);
        }
        Ok(outcome)
    }

    /// Removes the members of a cohort who are not counted in it.
    async fn remove_foreign_members(&self, month: &str, deadline: Instant) -> Result<Repairs<Buyer>, StoreError> {
        let members = KeyRange::with_prefix(keys::cohort_members(month), "");
        let mut stored = BTreeSet::new();
        for member in self.stats.query(&members, Consistency::Strong).await? {
            let sk = text(&member, SK).unwrap_or_default();
            stored.insert(sk.parse::<Buyer>().map_err(|error| StoreError::corrupt(sk, error))?);
        }
        let counted = stored.iter().map(keys::cohort_of).collect();
        let counted = self.stats.get_all(counted, Consistency::Strong, deadline).await?;
        let mut repairs = Repairs::default();
        for buyer in stored {
            let months = counted.get(&keys::cohort_of(&buyer));
            if months.map(Sums::of).as_ref().and_then(first_of).as_deref() != Some(month) {
                let none = to_key(&keys::cohort_of(&buyer));
                let member = SideWrite::Delete(keys::in_cohort(month, &buyer));
                let removed = self.write_if_unchanged(months.unwrap_or(&none), member).await;
                repairs.record(removed.map(|()| true), buyer)?;
            }
        }
        Ok(repairs)
    }

    /// Sets a cohort to the sum of its members. Returns whether it differed.
    pub(super) async fn repair_cohort(&self, month: &str, deadline: Instant) -> Result<bool, StoreError> {
        let repaired = retry::until(deadline, || {
            let key = keys::cohort(month);
            let members = KeyRange::with_prefix(keys::cohort_members(month), "");
            Box::pin(async move {
                let stored = self.stats.get(&key, Consistency::Strong).await?;
                let sums = Sums::of_all(&self.stats.query(&members, Consistency::Strong).await?);
                self.repair_sums(&key, stored.as_ref(), &sums).await
            })
        });
        repaired.await
    }

    /// Audits the members of a cohort only where it is not their sum: members who have changed are audited as buyers.
    pub(super) async fn audit_cohort_sum(&self, month: &Period, deadline: Instant) -> Result<Outcome, StoreError> {
        let name = month.to_string();
        let members = KeyRange::with_prefix(keys::cohort_members(&name), "");
        let is_sum = retry::until(deadline, || Box::pin(self.is_sum(keys::cohort(&name), &members))).await?;
        if !is_sum {
            return self.audit_cohort(month, deadline).await;
        }
        let mut outcome = Outcome::default();
        outcome.add_checked(Checked::Cohorts);
        Ok(outcome)
    }

    /// Ensures that the cohort in which a buyer is counted exists.
    pub(super) async fn audit_cohort_of(&self, buyer: &Buyer, deadline: Instant) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        let counted = self.stats.get(&keys::cohort_of(buyer), Consistency::Strong).await?;
        let Some(month) = counted.as_ref().map(Sums::of).as_ref().and_then(first_of) else { return Ok(outcome) };
        if self.stats.get(&keys::cohort(&month), Consistency::Strong).await?.is_none()
            && self.repair_cohort(&month, deadline).await?
        {
            outcome.add_finding(FindingKind::Cohort, format!("{}/{month}", keys::COHORTS));
        }
        Ok(outcome)
    }
}
