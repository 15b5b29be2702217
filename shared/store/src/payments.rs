//! Payments, listed by status for all and for each buyer.
//!
//! A payment and its list entries are written in one transaction, that of its purchase: see [`super::Purchases`].

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::course_stats::CourseStats;
use super::documents::{Version, Versioned};
use super::error::StoreError;
use super::items::{Item, from_item};
use super::keys::{self, Key};
use super::listing::{ListQuery, Listing, page, put_listed};
use super::table::Consistency;
use super::transaction::Transaction;
use crate::setup::{Setup, StateTable};
use domain::course_stats::CourseStatsScope;
use domain::id::PaymentId;
use domain::payment::{Payment, PaymentStatus};
use domain::purchase::Buyer;
use system::ids::Ids;

/// The table of payments.
#[derive(Clone)]
pub struct Payments {
    state: StateTable,
    ids: Arc<dyn Ids>,
}

/// The keys under which a payment is listed.
fn listed(payment: &Payment) -> [Key; 2] {
    let Payment { buyer, status, received_at, id, .. } = payment;
    [Some(buyer), None].map(|of| keys::listed_payment(of, *status, *received_at, id))
}

impl Payments {
    /// Opens the payments.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { state: setup.state_table(), ids: setup.ids() }
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

    /// Puts a payment in place of the stored one, in every list and in the totals.
    pub(super) fn put_in(
        &self,
        transaction: &mut Transaction,
        payment: &Payment,
        stored: Option<&Versioned<Payment>>,
        numbers: &CourseStats,
    ) -> Result<(), StoreError> {
        let state = &self.state.name;
        let (key, at) = (keys::payment(&payment.id), listed(payment));
        let document = Versioned { version: Version(self.ids.fresh()), document: payment };
        put_listed(transaction, state, (&key, &at), &document, stored.map(|stored| &stored.version))?;
        let was = stored.map(|stored| &stored.document);
        numbers.count_in(transaction, &[CourseStatsScope::All], payment.id.as_str(), (was, payment))?;
        let outdated = stored.map(|stored| listed(&stored.document)).into_iter().flatten();
        for key in outdated.filter(|key| !at.contains(key)) {
            transaction.delete(state, &key, None)?;
        }
        Ok(())
    }

    /// Up to `count` payments, a buyer's or all, of one status or of any, the newest first, from the cursor of an
    /// earlier page. Eventually consistent.
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
            let query = ListQuery { prefix: "", newest_first: true, after, count };
            let read = |status| self.state.listed(keys::payments(of, status), query);
            if let Some(status) = status {
                let (placed, goes_on) = read(status).await?;
                return page(placed, goes_on);
            }
            let (received, approved, cancelled) = futures::try_join!(
                read(PaymentStatus::Received),
                read(PaymentStatus::Approved),
                read(PaymentStatus::Cancelled),
            )?;
            // A payment that is settled meanwhile is found twice, and counts once, with its later status.
            let goes_on = received.1 || approved.1 || cancelled.1;
            let all: BTreeMap<String, Item> = [received.0, approved.0, cancelled.0].into_iter().flatten().collect();
            let goes_on = goes_on || all.len() > count;
            page(all.into_iter().rev().take(count).collect(), goes_on)
        })
    }
}
