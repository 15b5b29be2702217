//! Audits of the ledger, item by item: every buyer, every purchase and every hour of sales.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::repairs::repair_all;
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

/// How many subjects are audited at once.
pub(super) const CONCURRENCY: usize = 8;

/// What a part of the ledger is about.
pub(super) enum Subject {
    Buyer(Buyer),
    Purchase(PurchaseId),
    /// An hour of an item's sales, with the key of one of them.
    Hour(Sold, Key),
}

/// The subject of an item of the ledger, by its key; `None` if the key is corrupt.
pub(super) fn subject_of(key: &Key) -> Option<Subject> {
    if let Some(buyer) = key.pk.strip_prefix(keys::BUYERS) {
        return buyer.parse().ok().map(Subject::Buyer);
    }
    if let Some(purchase) = key.pk.strip_prefix(keys::PURCHASES) {
        return purchase.parse().ok().map(Subject::Purchase);
    }
    match keys::parse_fact(&key.pk, &key.sk).ok()?.0.entity {
        Entity::PurchasedItem(item) => Some(Subject::Hour(item, key.clone())),
        Entity::Track(_) | Entity::Quiz(_) | Entity::Product(_) | Entity::ProductViews(_) => None,
    }
}

impl Audits {
    /// Audits the subjects of the next items of a segment.
    pub(super) async fn audit_ledger(
        &self,
        segment: i32,
        after: Option<&(String, String)>,
        deadline: Instant,
    ) -> Result<(Option<AuditStep>, Outcome), StoreError> {
        let start = after.map(|(pk, sk)| to_key(&Key { pk: pk.clone(), sk: sk.clone() }));
        let (found, last) = retry::until(deadline, || Box::pin(self.scan(segment, start.clone()))).await?;
        // The task before this one has audited the whole of the partition that it ended in.
        let mut last_partition = after.map(|(pk, _)| pk.clone());
        let (mut all, mut outcome) = (Vec::new(), Outcome::default());
        for key in found {
            if last_partition.as_ref() == Some(&key.pk) {
                continue;
            }
            last_partition = Some(key.pk.clone());
            match subject_of(&key) {
                Some(subject) => all.push(subject),
                None => outcome.add_finding(FindingKind::Ledger, format!("{}/{}", key.pk, key.sk)),
            }
        }
        outcome.merge(self.audit_subjects(all, deadline).await?);
        Ok((last.map(|key| AuditStep::Ledger { segment, after: Some((key.pk, key.sk)) }), outcome))
    }

    /// The keys of the next items, and the key after which the scan continues.
    async fn scan(&self, segment: i32, start: Option<Item>) -> Result<(Vec<Key>, Option<Key>), StoreError> {
        let limit = i32::try_from(self.task_size).unwrap_or(i32::MAX);
        let scan = self.ledger.client.scan().table_name(&self.ledger.name).limit(limit).consistent_read(true);
        let scan = scan.segment(segment).total_segments(SEGMENTS).set_exclusive_start_key(start);
        let scan = scan.projection_expression("#pk, #sk").expression_attribute_names("#pk", PK);
        let page = scan.expression_attribute_names("#sk", SK).send().await?;
        let keys = page.items.unwrap_or_default().iter().filter_map(key_of).collect();
        Ok((keys, page.last_evaluated_key.as_ref().and_then(key_of)))
    }

    pub(super) async fn audit_subjects(
        &self,
        subjects: Vec<Subject>,
        deadline: Instant,
    ) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        let outcomes =
            stream::iter(subjects).map(|subject| async move { self.audit_subject(&subject, deadline).await });
        let outcomes: Vec<Outcome> = outcomes.buffer_unordered(CONCURRENCY).try_collect().await?;
        outcomes.into_iter().for_each(|one| outcome.merge(one));
        Ok(outcome)
    }

    async fn audit_subject(&self, subject: &Subject, deadline: Instant) -> Result<Outcome, StoreError> {
        let audited = match subject {
            Subject::Buyer(buyer) => self.audit_buyer(buyer, deadline).await,
            Subject::Purchase(purchase) => self.audit_purchase_entry(purchase, deadline).await,
            Subject::Hour(item, key) => self.audit_hour(item, key, deadline).await,
        };
        match audited {
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(error = %error, "corrupt item in the ledger: {error}");
                let mut outcome = Outcome::default();
                let subject = match subject {
                    Subject::Buyer(buyer) => keys::purchases_of(buyer),
                    Subject::Purchase(purchase) => keys::purchase(purchase).pk,
                    Subject::Hour(_, key) => key.pk.clone(),
                };
                outcome.add_finding(FindingKind::Ledger, subject);
                Ok(outcome)
            }
            audited => audited,
        }
    }

    /// Audits a purchase. If its entry was wrong, its buyer may have been audited against that, and is audited again.
    async fn audit_purchase_entry(&self, id: &PurchaseId, deadline: Instant) -> Result<Outcome, StoreError> {
        let (mut outcome, repaired_buyer) = retry::until(deadline, || Box::pin(self.audit_purchase(id))).await?;
        if let Some(buyer) = repaired_buyer {
            outcome.findings.extend(self.audit_buyer(&buyer, deadline).await?.findings);
        }
        Ok(outcome)
    }

    /// Compares a purchase with its entry in the buyer's list, its sale and its refund.
    pub(super) async fn audit_purchase(&self, id: &PurchaseId) -> Result<(Outcome, Option<Buyer>), StoreError> {
        let mut outcome = Outcome::default();
        outcome.add_checked(Checked::Purchases);
        let key = keys::purchase(id);
        let Some(stored) = self.ledger.get(&key, Consistency::Strong).await? else {
            outcome.add_finding(FindingKind::Ledger, &key.pk);
            return Ok((outcome, None));
        };
        let mut repaired_buyer = None;
        let Versioned { version, document }: Versioned<Purchase> = from_item(stored.clone())?;
        // Checked before any repair: a repaired entry must not be read again before it is recorded as a finding.
        if !self.has_facts(&document).await? {
            self.double_check.confirm((&key, "facts"), None, &document.status)?;
            outcome.add_finding(FindingKind::Ledger, &key.pk);
        }
        let entry_key = keys::purchase_of(&document.buyer, document.purchased_at, id);
        let entry = self.ledger.get(&entry_key, Consistency::Strong).await?;
        if entry.map(from_item::<Purchase>).transpose().ok().flatten().as_ref() != Some(&document) {
            self.double_check.confirm((&key, "entry"), Some(&version.0), &entry_key)?;
            // The purchase is written unchanged, so that the entry is written only if the purchase is still as it was
            // read.
            let mut transaction = Transaction::new(self.ledger.client.clone());
            let mut same = stored.clone();
            same.insert(VERSION.to_owned(), AttributeValue::S(self.ids.fresh()));
            transaction.put(&self.ledger.name, same, Some(Condition::unchanged(Some(version.0))))?;
            let mut entry = stored;
            entry.remove(VERSION);
            entry.extend(to_key(&entry_key));
            transaction.put(&self.ledger.name, entry, None)?;
            transaction.commit().await?;
            outcome.add_finding(FindingKind::Listing, &key.pk);
            repaired_buyer = Some(document.buyer.clone());
        }
        Ok((outcome, repaired_buyer))
    }

    /// Whether a paid purchase has its sale, and a refunded one its refund.
    async fn has_facts(&self, purchase: &Purchase) -> Result<bool, StoreError> {
        let Some(at) = purchase.completed_at else { return Ok(true) };
        let sale = keys::sale(&purchase.item, at, SaleKind::Sale.name(), purchase.id.as_str());
        let sale: Option<SaleFact> = self.ledger.get(&sale, Consistency::Strong).await?.map(from_item).transpose()?;
        if sale.as_ref() != Some(&SaleFact::sale(purchase)) {
            return Ok(false);
        }
        let ended = purchase.ended_by.or(purchase.ended_at);
        let (Status::Refunded, Some(at)) = (purchase.status, ended) else { return Ok(true) };
        let refunds = keys::sale(&purchase.item, at, SaleKind::Refund.name(), "");
        let refunds = self.ledger.query(&KeyRange::with_prefix(refunds.pk, &refunds.sk), Consistency::Strong).await?;
        let refunds: Result<Vec<SaleFact>, StoreError> = refunds.into_iter().map(from_item).collect();
        Ok(refunds?.iter().any(|refund| refund.purchase == purchase.id && refund.ended))
    }

    /// Compares the minutes of an hour of an item's sales with their facts, and what the minutes are part of with the
    /// minutes.
    async fn audit_hour(&self, item: &Sold, key: &Key, deadline: Instant) -> Result<Outcome, StoreError> {
        let mut outcome = Outcome::default();
        outcome.add_checked(Checked::Hours);
        let (Bucket { entity, minute }, _, _) =
            keys::parse_fact(&key.pk, &key.sk).map_err(|error| StoreError::corrupt(&key.pk, error))?;
        // Minutes are read before facts: a minute that is folded meanwhile has at least these facts.
        let hour = keys::bucket(&Bucket { entity: entity.clone(), minute });
        let hour = KeyRange::with_prefix(hour.pk, hour.sk.trim_end_matches(|last| last != ':'));
        let mut stored: HashMap<Key, Live<SalesFigures>> = HashMap::new();
        for bucket in retry::until(deadline, || Box::pin(self.stats.query(&hour, Consistency::Strong))).await? {
            if let Some(key) = key_of(&bucket) {
                stored.insert(key, from_item(bucket)?);
            }
        }
        let facts = KeyRange::with_prefix(key.pk.clone(), "");
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
            let is = stored.remove(&bucket).map(|live| live.value);
            let is_right =
                is.is_some_and(|is| is.by_key == folded.by_key && is.buyers.count() == folded.buyers.count());
            if !is_right && !young.contains(&minute) {
                outcome.add_finding(FindingKind::Bucket, format!("{}/{}", bucket.pk, bucket.sk));
                wrong.insert(minute);
            }
        }
        // A minute without facts: facts are not deleted, so it never had any.
        for (key, live) in stored {
            let minute = keys::parse_bucket(&key.sk).map_err(|error| StoreError::corrupt(&key.sk, error))?;
            if !live.value.by_key.is_empty() {
                outcome.add_finding(FindingKind::Bucket, format!("{}/{}", key.pk, key.sk));
                wrong.insert(minute);
            }
        }
        self.refold(item, wrong, deadline).await?;
        let old = BTreeMap::from([(item.clone(), old)]);
        for level in [Level::Day, Level::Month] {
            let period = Calendar::default().period(level, minute.start());
            outcome.merge(retry::until(deadline, || Box::pin(self.audit_contribution(item, &period, deadline))).await?);
            // The tasks of revenue cover existing sums only.
            if self.stats.get(&keys::revenue(&period, item.kind), Consistency::Strong).await?.is_none() {
                for key in repair_all(deadline, || Box::pin(self.repair_revenue_sums(&period))).await? {
                    outcome.add_finding(FindingKind::Revenue, format!("{}/{}", key.pk, key.sk));
                }
            }
            if retry::until(deadline, || Box::pin(self.revenue.count_buyers(&period, &old, deadline))).await? {
                let key = keys::buyers_in(&period);
                outcome.add_finding(FindingKind::Revenue, format!("{}/{}", key.pk, key.sk));
            }
        }
        Ok(outcome)
    }
}
