//! Purchases: the ledger, who has what, what requests were answered, and discounts.
//!
//! Whatever changes a purchase commits in one transaction with all that follows from it: the purchase and its entry among
//! those of its buyer, whether the buyer has the item, the fact of the sale or of the refund, the use of a discount, and
//! what the request is answered. So none of them can disagree with another, whoever is cut off, sent again or comes at the
//! same time.

mod answers;
mod discounts;
mod history;
mod ownership;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::documents::{Version, Versioned};
use super::error::StoreError;
use super::facts::NewFact;
use super::items::{Item, VERSION, from_item, to_item};
use super::keys;
use super::outbox::Outbox;
use super::table::{Consistency, Table};
use super::transaction::{Changes, Condition, Transaction};
use crate::clock::Clock;
use crate::domain::id::PurchaseId;
use crate::domain::live::{Channel, LiveEvent, LiveEventName};
use crate::domain::purchase::{Purchase, Refund, Status};
use crate::domain::sale::SaleFact;
use crate::domain::time::Time;
use crate::ids::Ids;

pub use answers::{Answer, Answers, Standing};
pub use discounts::{Discounts, HeldDiscount};
pub use history::{Filter, History, Page};
pub use ownership::Ownership;
pub(super) use ownership::{PURCHASE, SINCE, STANDING};

/// When an item of the ledger was written, in milliseconds since 1970.
pub(super) const RECORDED: &str = "recorded";

/// What happens to a purchase.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// It is made, with this discount.
    Made(Option<&'a HeldDiscount>),
    /// Its payment was approved.
    Completed(&'a Versioned<Purchase>),
    /// All or a part of it was given back, or it was cancelled.
    Refunded(&'a Versioned<Purchase>, &'a Refund),
}

/// For how long it is news that something was bought or given back: admins record what happened long ago, too.
const NEWS: TimeDelta = TimeDelta::hours(1);

/// The tables of purchases and of what follows from them.
#[derive(Clone)]
pub struct Purchases {
    ledger: Table,
    state: String,
    /// Nothing, where live updates are off.
    outbox: Option<Outbox>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

/// Says when an item is written: until then nothing that is made of it can have been. What is written together says the same.
fn recorded(mut item: Item, now: Time) -> Item {
    item.insert(RECORDED.to_owned(), AttributeValue::N(now.millis().to_string()));
    item
}

/// What is told of a change: to the buyer and to admins, what is news.
fn events(purchase: &Purchase, change: Change<'_>, id: &str, told: &Value, now: Time) -> Vec<LiveEvent> {
    let completed = purchase.completed_at.map(|at| (LiveEventName::PurchaseCompleted, at));
    let news = match change {
        Change::Made(_) | Change::Completed(_) => completed,
        Change::Refunded(held, refund) if held.document.status == Status::Completed => {
            Some((LiveEventName::PurchaseRefunded, refund.at))
        }
        // Nobody had it, and nobody paid.
        Change::Refunded(..) => None,
    };
    let Some((name, _)) = news.filter(|(_, at)| now.since(*at) < NEWS) else { return Vec::new() };
    let buyers = purchase.buyer.user().map(|user| Channel::User(user.clone()));
    let event = |channel| LiveEvent { channel, name, id: id.to_owned(), time: now, body: json!({"purchase": told}) };
    buyers.into_iter().chain([Channel::AdminDashboard]).map(event).collect()
}

impl Purchases {
    /// Purchases in one table; who has what, answers and discounts in another. What happens to them is told in the outbox.
    #[must_use]
    pub fn new(
        client: Client,
        ledger: String,
        state: String,
        outbox: Option<Outbox>,
        (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>),
    ) -> Self {
        Self { ledger: Table::new(client, ledger), state, outbox, clock, ids }
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

    /// Writes a purchase as it is after a change, with all that follows from it and what the request is answered.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if something that was read has changed, or does not allow it: the purchase, the answer, who
    /// has the item, or the discount.
    pub fn write<'a>(
        &'a self,
        purchase: &'a Purchase,
        change: Change<'a>,
        answer: Option<&'a Answer>,
        told: &'a Value,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut transaction = Transaction::new(self.ledger.client.clone());
            let (ledger, state) = (&self.ledger.name, &self.state);
            let now = Time::from(self.clock.now());
            if let Some(answer) = answer {
                transaction.put(state, answer.item()?, Some(Condition::still(None)))?;
            }
            let held = match change {
                Change::Made(_) => None,
                Change::Completed(held) | Change::Refunded(held, _) => Some(held.version.0.clone()),
            };
            let version = self.ids.fresh();
            let document = Versioned { version: Version(version.clone()), document: purchase };
            let document = recorded(to_item(&keys::purchase(&purchase.id), document)?, now);
            transaction.put(ledger, document, Some(Condition::still(held)))?;
            let among = keys::purchase_of(&purchase.buyer, purchase.purchased_at, &purchase.id);
            transaction.put(ledger, recorded(to_item(&among, purchase)?, now), None)?;
            if let Some(outbox) = &self.outbox {
                outbox.tell(&events(purchase, change, &version, told, now), &mut transaction)?;
            }
            match change {
                Change::Made(discount) => {
                    if let Some(discount) = discount {
                        discount.take(state, &mut transaction)?;
                    }
                    if let Some(at) = purchase.completed_at {
                        self.begin(purchase, at, now, &mut transaction)?;
                    }
                }
                Change::Completed(_) => {
                    if let Some(at) = purchase.completed_at {
                        self.begin(purchase, at, now, &mut transaction)?;
                    }
                }
                Change::Refunded(held, refund) if held.document.status == Status::Completed => {
                    let (at, ended) = (refund.at, purchase.status == Status::Refunded);
                    if ended {
                        self.own(purchase, -1, at, &mut transaction)?;
                    }
                    let fact = SaleFact::refund(purchase, refund.amount, ended);
                    let key = keys::sale(&purchase.item, at, fact.kind.name(), &version);
                    let fact = recorded(NewFact::for_ever(key, fact)?.into_item(), now);
                    transaction.put(ledger, fact, None)?;
                }
                Change::Refunded(..) => {
                    if let Some(code) = &purchase.discount_code {
                        discounts::give_back(state, code, &mut transaction)?;
                    }
                }
            }
            transaction.commit().await
        })
    }

    /// A purchase was paid: its buyer has the item, and it is a sale.
    fn begin(&self, purchase: &Purchase, at: Time, now: Time, transaction: &mut Transaction) -> Result<(), StoreError> {
        self.own(purchase, 1, at, transaction)?;
        let fact = SaleFact::sale(purchase);
        let key = keys::sale(&purchase.item, at, fact.kind.name(), purchase.id.as_str());
        let fact = recorded(NewFact::for_ever(key, fact)?.into_item(), now);
        transaction.put(&self.ledger.name, fact, None)
    }

    /// One more, or one less, of a buyer's purchases of an item stands. Who has what can be had once does not buy it again.
    fn own(&self, purchase: &Purchase, by: i64, at: Time, transaction: &mut Transaction) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        changes.set(VERSION, AttributeValue::S(self.ids.fresh()));
        changes.add(ownership::STANDING, by);
        if by > 0 {
            changes.set(ownership::PURCHASE, AttributeValue::S(purchase.id.to_string()));
            changes.set(ownership::SINCE, AttributeValue::S(at.to_string()));
        }
        let is_first = by > 0 && purchase.item.kind.is_had_once();
        let condition = is_first.then(|| Condition::below(ownership::STANDING, 1, None));
        transaction.update(&self.state, &keys::ownership(&purchase.buyer, &purchase.item), changes, condition)
    }
}
