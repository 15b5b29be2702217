//! Purchases: the ledger, ownership, stored responses and discounts.
//!
//! A change of a purchase commits in one transaction with everything that follows from it: the purchase and its copy in
//! the buyer's list, the ownership of the item, the fact of the sale or refund, the use of a discount, and the response
//! to the request. So none of them can disagree with another after a crash, a repetition or a race.
//!
//! A payment is settled with its purchase, in the same transaction. A payment that is created at that moment is
//! rejected, since its transaction requires a pending purchase; and an existing payment is never overlooked, since the
//! purchase's transaction requires that there is none or that it is unchanged.

mod discounts;
mod history;
mod ownership;

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::course_stats::CourseStats;
use super::documents::{Version, Versioned};
use super::error::StoreError;
use super::facts::NewFact;
use super::idempotency::StoredResponse;
use super::items::{Item, TTL, VERSION, from_item, to_item, to_key};
use super::keys::{self, Key};
use super::outbox::Outbox;
use super::payments::Payments;
use super::table::Consistency;
use super::transaction::{Changes, Condition, Transaction};
use crate::setup::{PurchasesTable, Setup, StateTable};
use domain::date_range;
use domain::id::PurchaseId;
use domain::live::{Channel, LiveEvent, LiveEventName};
use domain::payment::{Payment, PaymentStatus};
use domain::purchase::{Purchase, Refund, Status};
use domain::sale::SaleFact;
use domain::time::Time;
use system::clock::Clock;
use system::ids::Ids;

pub use discounts::{DiscountAttempts, Discounts, StoredDiscount};
pub use history::{PurchaseFilter, PurchaseHistory, PurchasePage};
pub use ownership::Ownership;
pub(super) use ownership::{ACTIVE_PURCHASES, PURCHASE, SINCE};

/// When an item of the ledger was written, in milliseconds since 1970.
pub(super) const RECORDED: &str = "recorded";

/// How long changes of the ledger are listed: an audit of changes reaches back no further.
pub(super) const LISTED: TimeDelta = TimeDelta::days(35);

/// The buyer and the id of the purchase of a listed change.
pub(super) const CHANGED_BUYER: &str = "buyer";
pub(super) const CHANGED_PURCHASE: &str = "purchase";

/// A change of a purchase.
#[derive(Debug, Clone, Copy)]
pub enum PurchaseChange<'a> {
    /// The purchase is created, with this discount.
    Created(Option<&'a StoredDiscount>),
    /// The payment was approved; with the settled payment, if there is one.
    Completed(&'a Versioned<Purchase>, Option<&'a SettledPayment>),
    /// All or a part of it was given back, or it was cancelled; with what becomes of its payment, if it has one that waits.
    /// Under the id of the request, if that has one.
    Refunded(&'a Versioned<Purchase>, &'a Refund, Option<&'a SettledPayment>, Option<&'a str>),
}

/// A payment that ends with its purchase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledPayment {
    /// The payment as it was read.
    pub stored: Versioned<Payment>,
    /// The payment as it is from then on.
    pub payment: Payment,
    /// The body of its event.
    pub body: Value,
}

/// For how long it is news that something was bought or given back: admins record what happened long ago, too.
const NEWS: TimeDelta = TimeDelta::hours(1);

/// The tables of purchases and of what follows from them.
#[derive(Clone)]
pub struct Purchases {
    ledger: PurchasesTable,
    state: StateTable,
    payments: Payments,
    numbers: CourseStats,
    /// Nothing, where live updates are off.
    outbox: Option<Outbox>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

/// Records when an item is written: nothing derived from it can be older. Items that are written together have the same
/// time.
fn recorded(mut item: Item, now: Time) -> Item {
    item.insert(RECORDED.to_owned(), AttributeValue::N(now.millis().to_string()));
    item
}

/// Lists that an item of the ledger was written, for the next audit.
fn listed(purchase: &Purchase, written: &Key, now: Time) -> Item {
    let lane = keys::change_lane(&purchase.buyer);
    let mut item = recorded(to_key(&keys::change(&date_range::day_of(now), lane, written)), now);
    item.insert(CHANGED_BUYER.to_owned(), AttributeValue::S(purchase.buyer.to_string()));
    item.insert(CHANGED_PURCHASE.to_owned(), AttributeValue::S(purchase.id.to_string()));
    item.insert(TTL.to_owned(), AttributeValue::N(now.plus(LISTED).seconds().to_string()));
    item
}

/// The events of a change, to the buyer and to admins, if it is recent.
fn events(purchase: &Purchase, change: PurchaseChange<'_>, id: &str, body: &Value, now: Time) -> Vec<LiveEvent> {
    let completed = purchase.completed_at.map(|at| (LiveEventName::PurchaseCompleted, at));
    let news = match change {
        PurchaseChange::Created(_) | PurchaseChange::Completed(..) => completed,
        PurchaseChange::Refunded(stored, refund, ..) if stored.document.status == Status::Completed => {
            Some((LiveEventName::PurchaseRefunded, refund.at))
        }
        // The purchase was never paid.
        PurchaseChange::Refunded(..) => None,
    };
    let Some((name, _)) = news.filter(|(_, at)| now.since(*at) < NEWS) else { return Vec::new() };
    let buyers = purchase.buyer.user().map(|user| Channel::User(user.clone()));
    let event = |channel| LiveEvent { channel, name, id: id.to_owned(), time: now, body: json!({"purchase": body}) };
    buyers.into_iter().chain([Channel::AdminDashboard]).map(event).collect()
}

impl Purchases {
    /// Opens the purchases.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self {
            ledger: setup.purchases_table(),
            state: setup.state_table(),
            payments: Payments::open(setup),
            numbers: CourseStats::open(setup),
            outbox: Outbox::open_if_live(setup),
            clock: setup.clock(),
            ids: setup.ids(),
        }
    }

    /// The payment of a purchase, if it has one; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn payment_of<'a>(
        &'a self,
        id: &'a PurchaseId,
    ) -> BoxFuture<'a, Result<Option<Versioned<Payment>>, StoreError>> {
        Box::pin(async move { self.payments.payment(&id.clone().into()).await })
    }

    /// Adds a payment to a pending purchase, with the response to the request.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the purchase has changed, has a payment, or the request was answered.
    pub fn pay<'a>(
        &'a self,
        purchase: &'a Versioned<Purchase>,
        payment: &'a Payment,
        answer: &'a StoredResponse,
        body: &'a Value,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut transaction = Transaction::new(self.ledger.client.clone());
            self.check_unchanged(purchase, &mut transaction)?;
            self.payments.put_in(&mut transaction, payment, None, &self.numbers)?;
            answer.put_in(&self.state.name, &mut transaction)?;
            self.enqueue_payment_event(
                payment,
                (LiveEventName::PaymentReceived, payment.received_at),
                body,
                &mut transaction,
            )?;
            transaction.commit().await
        })
    }

    /// Ends the payment of a purchase that has ended or was completed before: payments once did not follow their purchases.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the purchase or the payment has changed.
    pub fn settle_payment<'a>(
        &'a self,
        purchase: &'a Versioned<Purchase>,
        settled: &'a SettledPayment,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut transaction = Transaction::new(self.ledger.client.clone());
            self.check_unchanged(purchase, &mut transaction)?;
            self.put_settled(settled, Time::from(self.clock.now()), &mut transaction)?;
            transaction.commit().await
        })
    }

    fn check_unchanged(&self, purchase: &Versioned<Purchase>, transaction: &mut Transaction) -> Result<(), StoreError> {
        let condition = Condition::unchanged(Some(purchase.version.0.clone()));
        transaction.check(&self.ledger.name, &keys::purchase(&purchase.document.id), condition)
    }

    fn put_settled(&self, settled: &SettledPayment, at: Time, transaction: &mut Transaction) -> Result<(), StoreError> {
        let SettledPayment { stored, payment, body } = settled;
        self.payments.put_in(transaction, payment, Some(stored), &self.numbers)?;
        if payment.status != PaymentStatus::Approved {
            return Ok(());
        }
        self.enqueue_payment_event(payment, (LiveEventName::PaymentApproved, at), body, transaction)
    }

    fn enqueue_payment_event(
        &self,
        payment: &Payment,
        (name, at): (LiveEventName, Time),
        body: &Value,
        transaction: &mut Transaction,
    ) -> Result<(), StoreError> {
        let events = LiveEvent::on(payment.channels(), name, (&self.ids.fresh(), at), ("payment", body));
        Outbox::enqueue_in((self.outbox.as_ref(), events.as_slice()), transaction)
    }

    /// Writes the settled payment of a purchase. Without one, a pending purchase must have no payment.
    fn settle_payment_of(
        &self,
        (stored, purchase): (&Versioned<Purchase>, &Purchase),
        settled: Option<&SettledPayment>,
        now: Time,
        transaction: &mut Transaction,
    ) -> Result<(), StoreError> {
        match settled {
            Some(settled) => self.put_settled(settled, purchase.completed_at.unwrap_or(now), transaction),
            None if stored.document.status == Status::Pending => {
                let key = keys::payment(&purchase.id.clone().into());
                transaction.check(&self.state.name, &key, Condition::unchanged(None))
            }
            None => Ok(()),
        }
    }

    /// A purchase, if there is one; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn purchase<'a>(
        &'a self,
        id: &'a PurchaseId,
    ) -> BoxFuture<'a, Result<Option<Versioned<Purchase>>, StoreError>> {
        Box::pin(
            async move { self.ledger.get(&keys::purchase(id), Consistency::Strong).await?.map(from_item).transpose() },
        )
    }

    /// Writes a purchase after a change, with everything that follows from it and the response to the request.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the purchase, the response, the ownership or the discount has changed, or does not
    /// allow it.
    pub fn write<'a>(
        &'a self,
        purchase: &'a Purchase,
        change: PurchaseChange<'a>,
        answer: Option<&'a StoredResponse>,
        body: &'a Value,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut transaction = Transaction::new(self.ledger.client.clone());
            let (ledger, state) = (&self.ledger.name, &self.state.name);
            let now = Time::from(self.clock.now());
            if let Some(answer) = answer {
                answer.put_in(state, &mut transaction)?;
            }
            let stored = match change {
                PurchaseChange::Created(_) => None,
                PurchaseChange::Completed(stored, _) | PurchaseChange::Refunded(stored, ..) => {
                    Some(stored.version.0.clone())
                }
            };
            let version = self.ids.fresh();
            let document = Versioned { version: Version(version.clone()), document: purchase };
            let document = recorded(to_item(&keys::purchase(&purchase.id), document)?, now);
            transaction.put(ledger, document, Some(Condition::unchanged(stored)))?;
            let among = keys::purchase_of(&purchase.buyer, purchase.purchased_at, &purchase.id);
            transaction.put(ledger, recorded(to_item(&among, purchase)?, now), None)?;
            if let Some(outbox) = &self.outbox {
                outbox.enqueue(&events(purchase, change, &version, body, now), &mut transaction)?;
            }
            let mut written = keys::purchase(&purchase.id);
            match change {
                PurchaseChange::Created(discount) => {
                    if let Some(discount) = discount {
                        discount.take(state, &mut transaction)?;
                    }
                    if let Some(at) = purchase.completed_at {
                        written = self.record_sale(purchase, at, now, &mut transaction)?;
                    }
                }
                PurchaseChange::Completed(stored, settled) => {
                    self.settle_payment_of((stored, purchase), settled, now, &mut transaction)?;
                    if let Some(at) = purchase.completed_at {
                        written = self.record_sale(purchase, at, now, &mut transaction)?;
                    }
                }
                PurchaseChange::Refunded(stored, refund, settled, request)
                    if stored.document.status == Status::Completed =>
                {
                    self.settle_payment_of((stored, purchase), settled, now, &mut transaction)?;
                    let (at, ended) = (refund.at, purchase.status == Status::Refunded);
                    if ended {
                        self.change_ownership(purchase, -1, at, &mut transaction)?;
                    }
                    let fact = SaleFact::refund(purchase, refund.amount, ended);
                    let key = keys::sale(&purchase.item, at, fact.kind.name(), request.unwrap_or(&version));
                    written = key.clone();
                    let fact = recorded(NewFact::for_ever(key, fact)?.into_item(), now);
                    transaction.put(ledger, fact, None)?;
                }
                PurchaseChange::Refunded(stored, _, settled, _) => {
                    self.settle_payment_of((stored, purchase), settled, now, &mut transaction)?;
                    if let Some(code) = &purchase.discount_code {
                        discounts::give_back(state, code, &mut transaction)?;
                    }
                }
            }
            // A purchase without a sale or a refund is listed itself; the audit is led from these to all that follows.
            transaction.put(state, listed(purchase, &written, now), None)?;
            transaction.commit().await
        })
    }

    /// Records that a purchase was paid: the ownership and the fact of the sale, whose key is returned.
    fn record_sale(
        &self,
        purchase: &Purchase,
        at: Time,
        now: Time,
        transaction: &mut Transaction,
    ) -> Result<Key, StoreError> {
        self.change_ownership(purchase, 1, at, transaction)?;
        let fact = SaleFact::sale(purchase);
        let key = keys::sale(&purchase.item, at, fact.kind.name(), purchase.id.as_str());
        let fact = recorded(NewFact::for_ever(key.clone(), fact)?.into_item(), now);
        transaction.put(&self.ledger.name, fact, None)?;
        Ok(key)
    }

    /// Adds to the number of active purchases of an item by a buyer. A second purchase of a single-ownership item
    /// conflicts.
    fn change_ownership(
        &self,
        purchase: &Purchase,
        by: i64,
        at: Time,
        transaction: &mut Transaction,
    ) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        changes.set(VERSION, AttributeValue::S(self.ids.fresh()));
        changes.add(ownership::ACTIVE_PURCHASES, by);
        if by > 0 {
            changes.set(ownership::PURCHASE, AttributeValue::S(purchase.id.to_string()));
            changes.set(ownership::SINCE, AttributeValue::S(at.to_string()));
        }
        let is_first = by > 0 && purchase.item.kind.is_single_ownership();
        let condition = is_first.then(|| Condition::below(ownership::ACTIVE_PURCHASES, 1, None));
        transaction.update(&self.state.name, &keys::ownership(&purchase.buyer, &purchase.item), changes, condition)
    }
}
