//! Audits of ownership: what buyers own, against their purchases.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;

use super::Audits;
use super::repairs::Repairs;
use crate::contributions::stored_version;
use crate::error::StoreError;
use crate::items::{Item, VERSION, from_item, number, text, to_key};
use crate::keys::{self, SK};
use crate::purchases::{ACTIVE_PURCHASES, PURCHASE, SINCE};
use crate::table::{Consistency, KeyRange};
use crate::transaction::Condition;
use domain::audit::{Finding, FindingKind};
use domain::id::PurchaseId;
use domain::purchase::{Buyer, Item as Sold, Purchase, Status};

impl Audits {
    /// Ownership is read before purchases. A repair is written on the version that was read, since every purchase
    /// changes it.
    pub(super) async fn repair_ownership(&self, buyer: &Buyer) -> Result<Repairs<Finding>, StoreError> {
        let mut repairs = Repairs::default();
        let owned = KeyRange::with_prefix(keys::owned_by(buyer), "");
        let mut stored: BTreeMap<Sold, Item> = BTreeMap::new();
        for item in self.state.query(&owned, Consistency::Strong).await? {
            let sk = text(&item, SK).unwrap_or_default();
            stored.insert(keys::parse_owned(sk).map_err(|error| StoreError::corrupt(sk, error))?, item);
        }
        let mut bought: BTreeMap<Sold, Vec<Purchase>> = BTreeMap::new();
        for purchase in self.purchases_of(buyer).await?.into_iter().map(|(_, purchase)| purchase) {
            bought.entry(purchase.item.clone()).or_default().push(purchase);
        }
        let items: BTreeSet<Sold> = stored.keys().chain(bought.keys()).cloned().collect();
        for item in items {
            let (stored, bought) = (stored.remove(&item), bought.remove(&item).unwrap_or_default());
            let is_completed = |purchase: &&Purchase| purchase.status == Status::Completed;
            let completed: Vec<&Purchase> = bought.iter().filter(is_completed).collect();
            let count = i64::try_from(completed.len()).unwrap_or(i64::MAX);
            let stored_count: Option<i64> = stored.as_ref().map_or(Some(0), |stored| number(stored, ACTIVE_PURCHASES));
            let named = stored.as_ref().and_then(|stored| text(stored, PURCHASE));
            let named = bought.iter().find(|purchase| named == Some(purchase.id.as_str()));
            // The last purchase of a product that can be bought repeatedly stays named after it is refunded.
            let is_named = named.is_some_and(|named| is_completed(&named) || !item.kind.is_single_ownership());
            if stored_count == Some(count) && (is_named || completed.is_empty()) {
                continue;
            }
            // Before ownership is taken away: the purchase may exist, and only the list of purchases be wrong.
            if stored_count > Some(count)
                && let Some(unlisted) = self.unlisted_purchase(buyer, &item, stored.as_ref(), &completed).await?
            {
                let (repaired, _) = self.audit_purchase(&unlisted).await?;
                for finding in repaired.findings {
                    repairs.record(Ok(true), finding)?;
                }
                repairs.repeat();
                return Ok(repairs);
            }
            let key = keys::ownership(buyer, &item);
            let mut owned = to_key(&key);
            owned.insert(VERSION.to_owned(), AttributeValue::S(self.ids.fresh()));
            owned.insert(ACTIVE_PURCHASES.to_owned(), AttributeValue::N(count.to_string()));
            if let Some(last) = completed.iter().max_by_key(|purchase| purchase.completed_at) {
                owned.insert(PURCHASE.to_owned(), AttributeValue::S(last.id.to_string()));
                let since = last.completed_at.unwrap_or(last.purchased_at);
                owned.insert(SINCE.to_owned(), AttributeValue::S(since.to_string()));
            }
            let version = stored.as_ref().and_then(stored_version);
            let finding = Finding { kind: FindingKind::Ownership, subject: format!("{}/{}", key.pk, key.sk) };
            if self.double_check.confirm((&key, "ownership"), version.as_deref(), &completed).is_err() {
                repairs.repeat();
                continue;
            }
            let is_foreign = stored.is_some() && version.is_none();
            let condition = if is_foreign { Condition::default() } else { Condition::unchanged(version) };
            repairs.record(self.state.put(owned, condition).await.map(|()| true), finding)?;
        }
        Ok(repairs)
    }

    /// The purchase that an ownership names, if it is completed but missing from the list of purchases.
    async fn unlisted_purchase(
        &self,
        buyer: &Buyer,
        item: &Sold,
        stored: Option<&Item>,
        completed: &[&Purchase],
    ) -> Result<Option<PurchaseId>, StoreError> {
        let named: Option<PurchaseId> = stored.and_then(|stored| text(stored, PURCHASE)?.parse().ok());
        let Some(named) = named.filter(|named| completed.iter().all(|purchase| purchase.id != *named)) else {
            return Ok(None);
        };
        let purchase = self.ledger.get(&keys::purchase(&named), Consistency::Strong).await?;
        let purchase: Option<Purchase> = purchase.map(from_item).transpose()?;
        let is_owned = purchase.is_some_and(|purchase| {
            purchase.status == Status::Completed && purchase.buyer == *buyer && purchase.item == *item
        });
        Ok(is_owned.then_some(named))
    }
}
