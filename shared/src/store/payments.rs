//! Payments, each among those of its buyer and among all, by how it stands.
//!
//! A payment, where it is listed, what its request is answered and the events that tell of it are written in one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use futures::future::BoxFuture;

use super::class::ClassNumbers;
use super::documents::{Version, Versioned};
use super::error::StoreError;
use super::items::{Item, from_item};
use super::keys::{self, Key};
use super::listed::{Asked, Listing, page, put_listed};
use super::outbox::{Outbox, Telling};
use super::purchases::Answer;
use super::table::{Consistency, Table};
use super::transaction::{Condition, Transaction};
use crate::domain::class::ClassOf;
use crate::domain::id::PaymentId;
use crate::domain::payment::{Payment, PaymentStatus};
use crate::domain::purchase::Buyer;
use crate::ids::Ids;

/// The table of payments.
#[derive(Clone)]
pub struct Payments {
    state: Table,
    ids: Arc<dyn Ids>,
}

/// Where a payment is listed.
fn listed(payment: &Payment) -> [Key; 2] {
    let Payment { buyer, status, received_at, id, .. } = payment;
    [Some(buyer), None].map(|of| keys::listed_payment(of, *status, *received_at, id))
}

impl Payments {
    /// Payments in this table.
    #[must_use]
    pub fn new(client: Client, state: String, ids: Arc<dyn Ids>) -> Self {
        Self { state: Table::new(client, state), ids }
    }

    /// A payment, if there is one; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn payment<'a>(&'a self, id: &'a PaymentId) -> BoxFuture<'a, Result<Option<Versioned<Payment>>, StoreError>> {
        Box::pin(
            async move { self.state.get(&keys::payment(id), Consistency::Strong).await?.map(from_item).transpose() },
        )
    }

    /// Puts a payment in place of what was read, with what its request is answered and the events that tell of it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another was written in between, or the request was answered.
    pub fn put<'a>(
        &'a self,
        payment: &'a Payment,
        held: Option<&'a Versioned<Payment>>,
        answer: Option<&'a Answer>,
        numbers: &'a ClassNumbers,
        telling: Telling<'a>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let state = &self.state.name;
            let mut transaction = Transaction::new(self.state.client.clone());
            let (key, at) = (keys::payment(&payment.id), listed(payment));
            let document = Versioned { version: Version(self.ids.fresh()), document: payment };
            put_listed(&mut transaction, state, (&key, &at), &document, held.map(|held| &held.version))?;
            let was = held.map(|held| &held.document);
            numbers.count_in(&mut transaction, &[ClassOf::All], payment.id.as_str(), (was, payment))?;
            let outdated = held.map(|held| listed(&held.document)).into_iter().flatten();
            for key in outdated.filter(|key| !at.contains(key)) {
                transaction.delete(state, &key, None)?;
            }
            if let Some(answer) = answer {
                transaction.put(state, answer.item()?, Some(Condition::still(None)))?;
            }
            Outbox::tell_in(telling, &mut transaction)?;
            transaction.commit().await
        })
    }

    /// Up to `count` payments, a buyer's or all, that stand so or anyhow, the newest first, from where an earlier page says it
    /// goes on. Eventually consistent.
    ///
    /// # Errors
    /// If they could not be read, or are not what this program writes.
    pub fn page<'a>(
        &'a self,
        of: Option<&'a Buyer>,
        status: Option<PaymentStatus>,
        after: Option<&'a str>,
        count: usize,
    ) -> BoxFuture<'a, Result<Listing<Payment>, StoreError>> {
        Box::pin(async move {
            let asked = Asked { prefix: "", newest_first: true, after, count };
            let read = |status| self.state.listed(keys::payments(of, status), asked);
            if let Some(status) = status {
                let (placed, goes_on) = read(status).await?;
                return page(placed, goes_on);
            }
            let (received, approved) =
                futures::try_join!(read(PaymentStatus::Received), read(PaymentStatus::Approved))?;
            // One that is approved meanwhile is met in both, and counts as what it is now.
            let goes_on = received.1 || approved.1;
            let both: BTreeMap<String, Item> = received.0.into_iter().chain(approved.0).collect();
            let goes_on = goes_on || both.len() > count;
            page(both.into_iter().rev().take(count).collect(), goes_on)
        })
    }
}
