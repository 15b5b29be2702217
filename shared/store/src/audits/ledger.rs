//! The ledger, item by item: every buyer, every purchase and every hour of sales is looked at where it is met first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::part::until_all;
use super::{AuditStep, Audits, Outcome, SEGMENTS};
use crate::documents::Versioned;
use crate::error::StoreError;
use crate::folds::{Live, live};
use crate::items::{Item, VERSION, from_item, key_of, text, to_key};
use crate::keys::{self, Key, PK, SK};
use crate::retry;
use crate::table::{Consistency, KeyRange};
use crate::transaction::{Condition, Transaction};
use domain::audit::{Checked, FindingKind};
use domain::calendar::{Calendar, Level};
use domain::entity::{Bucket, Entity};
use domain::id::PurchaseId;
use domain::purchase::{Buyer, Item as Sold, Purchase, Status};
use domain::sale::{SaleFact, SaleKind, SalesFigures};
use domain::time::Minute;

/// How many things are looked at at once.
pub(super) const AT_ONCE: usize = 8;

/// What is met in the ledger.
pub(super) enum Met {
    Buyer(Buyer),
    Purchase(PurchaseId),
    /// An hour of an item's sales: the key of one of them.
    Hour(Sold, Key),
}

/// What the key of an item of the ledger is of.
pub(super) fn met(key: &Key) -> Option<Met> {
    if let Some(buyer) = key.pk.strip_prefix(keys::BUYERS) {
        return buyer.parse().ok().map(Met::Buyer);
    }
    if let Some(purchase) = key.pk.strip_prefix(keys::PURCHASES) {
        return purchase.parse().ok().map(Met::Purchase);
    }
    match keys::parse_fact(&key.pk, &key.sk).ok()?.0.entity {
        Entity::Sales(item) => Some(Met::Hour(item, key.clone())),
        Entity::Track(_) | Entity::Quiz(_) | Entity::Product(_) | Entity::Views(_) => None,
    }
}

impl Audits {
    /// Looks at what the next items of a segment are of.
    pub(super) async fn walk_ledger(
        &self,
        segment: i32,
        after: Option<&(String, String)>,
        deadline: Instant,
    ) -> Result<(Option<AuditStep>, Outcome), StoreError> {
        let start = after.map(|(pk, sk)| to_key(&Key { pk: pk.clone(), sk: sk.clone() }));
        let (found, last) = retry::until(deadline, || Box::pin(self.scan(segment, start.clone()))).await?;
        // A partition that the leg before this one met was looked at as a whole.
        let mut met_before = after.map(|(pk, _)| pk.clone());
        let (mut all, mut outcome) = (Vec::new(), Outcome::default());
        for key in found {
            if met_before.as_ref() == Some(&key.pk) {
                continue;
            }
            met_before = Some(key.pk.clone());
            match met(&key) {
                Some(met) => all.push(met),
                None => outcome.found(FindingKind::Ledger, format!("{}/{}", key.pk, key.sk)),
            }
        }
        outcome.merge(self.look_at_all(all, deadline).await?);
        Ok((last.map(|key| AuditStep::Ledger { segment, after: Some((key.pk, key.sk)) }), outcome))
    }

    /// The keys of the next items, and where it goes on.
    async fn scan(&self, segment: i32, start: Option<Item>) -> Result<(Vec<Key>, Option<Key>), StoreError> {
        let limit = i32::try_from(self.part).unwrap_or(i32::MAX);
        let scan = self.ledger.client.scan().table_name(&self.ledger.name).limit(limit).consistent_read(true);
        let scan = scan.segment(segment).total_segments(SEGMENTS).set_exclusive_start_key(start);
        let scan = scan.projection_expression("#pk, #sk").expression_attribute_names("#pk", PK);
        let page = scan.expression_attribute_names("#sk", SK).send().await?;
        let keys = page.items.unwrap_or_default().iter().filter_map(key_of).collect();
        Ok((keys, page.last_evaluated_key.as_ref().and_then(key_of)))
    }

    pub(super) async fn look_at_all(&self, met: Vec<Met>, deadline: Instant) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        let outcomes = stream::iter(met).map(|met| async move { self.look_at(&met, deadline).await });
        let outcomes: Vec<Outcome> = outcomes.buffer_unordered(AT_ONCE).try_collect().await?;
        outcomes.into_iter().for_each(|one| outcome.merge(one));
        Ok(outcome)
    }

    async fn look_at(&self, met: &Met, deadline: Instant) -> Result<Outcome, StoreError> {
        let looked = match met {
            Met::Buyer(buyer) => self.audit_buyer(buyer, deadline).await,
            Met::Purchase(purchase) => self.audit_listed(purchase, deadline).await,
            Met::Hour(item, key) => self.audit_hour(item, key, deadline).await,
        };
        match looked {
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(error = %error, "not what is written here: {error}");
                let mut outcome = Outcome::default();
                let subject = match met {
                    Met::Buyer(buyer) => keys::purchases_of(buyer),
                    Met::Purchase(purchase) => keys::purchase(purchase).pk,
                    Met::Hour(_, key) => key.pk.clone(),
                };
                outcome.found(FindingKind::Ledger, subject);
                Ok(outcome)
            }
            looked => looked,
        }
    }

    /// Holds a purchase against what follows from it; where its entry was wrong, its buyer may have been held against that.
    async fn audit_listed(&self, id: &PurchaseId, deadline: Instant) -> Result<Outcome, StoreError> {
        let (mut outcome, relisted) = retry::until(deadline, || Box::pin(self.audit_purchase(id))).await?;
        if let Some(buyer) = relisted {
            outcome.findings.extend(self.audit_buyer(&buyer, deadline).await?.findings);
        }
        Ok(outcome)
    }

    /// Holds a purchase against its entry among those of its buyer, and against its sale and its refund.
    pub(super) async fn audit_purchase(&self, id: &PurchaseId) -> Result<(Outcome, Option<Buyer>), StoreError> {
        let mut outcome = Outcome::default();
        outcome.saw(Checked::Purchases);
        let key = keys::purchase(id);
        let Some(held) = self.ledger.get(&key, Consistency::Strong).await? else {
            outcome.found(FindingKind::Ledger, &key.pk);
            return Ok((outcome, None));
        };
        let mut relisted = None;
        let Versioned { version, document }: Versioned<Purchase> = from_item(held.clone())?;
        // Before anything is put right: what was put right must not be looked at again before it is noted.
        if !self.is_recorded(&document).await? {
            self.looks.confirm((&key, "facts"), None, &document.status)?;
            outcome.found(FindingKind::Ledger, &key.pk);
        }
        let among = keys::purchase_of(&document.buyer, document.purchased_at, id);
        let entry = self.ledger.get(&among, Consistency::Strong).await?;
        if entry.map(from_item::<Purchase>).transpose().ok().flatten().as_ref() != Some(&document) {
            self.looks.confirm((&key, "entry"), Some(&version.0), &among)?;
            // The purchase is written as it is: if it is no longer, nothing is, and both are read again.
            let mut transaction = Transaction::new(self.ledger.client.clone());
            let mut same = held.clone();
            same.insert(VERSION.to_owned(), AttributeValue::S(self.ids.fresh()));
            transaction.put(&self.ledger.name, same, Some(Condition::still(Some(version.0))))?;
            let mut entry = held;
            entry.remove(VERSION);
            entry.extend(to_key(&among));
            transaction.put(&self.ledger.name, entry, None)?;
            transaction.commit().await?;
            outcome.found(FindingKind::Listing, &key.pk);
            relisted = Some(document.buyer.clone());
        }
        Ok((outcome, relisted))
    }

    /// Whether a purchase that was paid has its sale, and one that ended its refund.
    async fn is_recorded(&self, purchase: &Purchase) -> Result<bool, StoreError> {
        let Some(at) = purchase.completed_at else { return Ok(true) };
        let sale = keys::sale(&purchase.item, at, SaleKind::Sale.name(), purchase.id.as_str());
        let sale: Option<SaleFact> = self.ledger.get(&sale, Consistency::Strong).await?.map(from_item).transpose()?;
        if sale.as_ref() != Some(&SaleFact::sale(purchase)) {
            return Ok(false);
        }
        let ended = purchase.ended_by.or(purchase.ended_at);
        let (Status::Refunded, Some(at)) = (purchase.status, ended) else { return Ok(true) };
        let refunds = keys::sale(&purchase.item, at, SaleKind::Refund.name(), "");
        let refunds = self.ledger.query(&KeyRange::beginning(refunds.pk, &refunds.sk), Consistency::Strong).await?;
        let refunds: Result<Vec<SaleFact>, StoreError> = refunds.into_iter().map(from_item).collect();
        Ok(refunds?.iter().any(|refund| refund.purchase == purchase.id && refund.ended))
    }

    /// Holds the minutes of an hour of an item's sales against their facts, and what is made of them against them.
    async fn audit_hour(&self, item: &Sold, key: &Key, deadline: Instant) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        outcome.saw(Checked::Hours);
        let (Bucket { entity, minute }, _, _) =
            keys::parse_fact(&key.pk, &key.sk).map_err(|error| StoreError::corrupt(&key.pk, error))?;
        // Minutes first, their facts after them: what is folded meanwhile is folded of no fewer facts.
        let hour = keys::bucket(&Bucket { entity: entity.clone(), minute });
        let hour = KeyRange::beginning(hour.pk, hour.sk.trim_end_matches(|last| last != ':'));
        let mut held: HashMap<Key, Live<SalesFigures>> = HashMap::new();
        for bucket in retry::until(deadline, || Box::pin(self.stats.query(&hour, Consistency::Strong))).await? {
            if let Some(key) = key_of(&bucket) {
                held.insert(key, from_item(bucket)?);
            }
        }
        let facts = KeyRange::beginning(key.pk.clone(), "");
        let facts = retry::until(deadline, || Box::pin(self.ledger.query(&facts, Consistency::Strong))).await?;
        let (mut minutes, mut young): (BTreeMap<Minute, Vec<Item>>, BTreeSet<Minute>) = Default::default();
        for fact in facts {
            let sk = text(&fact, SK).unwrap_or_default();
            let (bucket, _, _) = keys::parse_fact(&key.pk, sk).map_err(|error| StoreError::corrupt(sk, error))?;
            if self.is_young(&fact) {
                young.insert(bucket.minute);
            }
            minutes.entry(bucket.minute).or_default().push(fact);
        }
        let mut wrong = BTreeSet::new();
        let old: BTreeSet<Minute> = minutes.keys().copied().filter(|minute| !young.contains(minute)).collect();
        for (minute, facts) in minutes {
            let folded = live::<SalesFigures>(String::new(), self.now(), facts)?.value;
            let bucket = keys::bucket(&Bucket { entity: entity.clone(), minute });
            let is = held.remove(&bucket).map(|live| live.value);
            let is_right = is.is_some_and(|is| is.tills == folded.tills && is.buyers.count() == folded.buyers.count());
            if !is_right && !young.contains(&minute) {
                outcome.found(FindingKind::Bucket, format!("{}/{}", bucket.pk, bucket.sk));
                wrong.insert(minute);
            }
        }
        // A minute without any facts: they are never deleted, so it never had them.
        for (key, live) in held {
            let minute = keys::parse_bucket(&key.sk).map_err(|error| StoreError::corrupt(&key.sk, error))?;
            if !live.value.tills.is_empty() {
                outcome.found(FindingKind::Bucket, format!("{}/{}", key.pk, key.sk));
                wrong.insert(minute);
            }
        }
        self.refold(item, wrong, deadline).await?;
        let old = BTreeMap::from([(item.clone(), old)]);
        for level in [Level::Day, Level::Month] {
            let period = Calendar::default().period(level, minute.start());
            outcome.merge(retry::until(deadline, || Box::pin(self.audit_contribution(item, &period, deadline))).await?);
            // The legs of revenue are those of the rows there are.
            if self.stats.get(&keys::revenue(&period, item.kind), Consistency::Strong).await?.is_none() {
                for key in until_all(deadline, || Box::pin(self.settle_rows(&period))).await? {
                    outcome.found(FindingKind::Revenue, format!("{}/{}", key.pk, key.sk));
                }
            }
            if retry::until(deadline, || Box::pin(self.revenue.count_buyers(&period, &old, deadline))).await? {
                let key = keys::buyers_in(&period);
                outcome.found(FindingKind::Revenue, format!("{}/{}", key.pk, key.sk));
            }
        }
        Ok(outcome)
    }
}
