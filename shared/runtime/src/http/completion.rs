//! Completes purchases whose payments were approved.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::bodies;
use super::problem::Problem;
use domain::id::PurchaseId;
use domain::payment::Payment;
use domain::purchase::{Purchase, Status};
use domain::time::Time;
use store::{Ownership, PurchaseChange, Purchases, Setup, StoreError, Versioned};
use system::clock::Clock;

/// Completes purchases.
#[derive(Clone)]
pub struct Completion {
    ownership: Ownership,
    purchases: Purchases,
    clock: Arc<dyn Clock>,
}

impl Completion {
    /// Opens the purchases to complete.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { ownership: Ownership::open(setup), purchases: Purchases::open(setup), clock: setup.clock() }
    }

    /// The purchase after the approval of its payment. If it is completed already, only a pending payment is settled.
    ///
    /// # Errors
    /// If the purchase does not exist or has ended, if the buyer owns the item by another purchase, or if it could not
    /// be written.
    pub async fn complete(&self, id: &PurchaseId, deadline: Instant) -> Result<Purchase, Problem> {
        let now = Time::from(self.clock.now());
        store::update_idempotent(deadline, || async {
            let stored = self.purchases.purchase(id).await?;
            let stored = stored.ok_or_else(|| Problem::NotFound(format!("there is no purchase {id}")))?;
            let payment = self.purchases.payment_of(id).await?;
            if stored.document.status != Status::Pending {
                settle(&self.purchases, &stored, payment, deadline).await?;
                return if stored.document.status == Status::Completed {
                    Ok(Ok(stored.document))
                } else {
                    Err(stored.document.conflict().into())
                };
            }
            // A payment is approved after it was received, whatever the clocks show, and at the time of its purchase.
            let at = payment.as_ref().map_or(now, |payment| now.strictly_after(payment.document.received_at));
            let purchase = stored.document.complete(at)?;
            if purchase.item.kind.is_single_ownership() {
                let items = BTreeSet::from([purchase.item.clone()]);
                let mut owned = self.ownership.of(&purchase.buyer, &items, true, deadline).await?;
                match owned.remove(&purchase.item) {
                    // It was completed after it was read.
                    Some(other) if other == *id => return Ok(Err(StoreError::Conflict)),
                    Some(other) => return Err(Problem::Owned(other)),
                    None => {}
                }
            }
            let body = bodies::purchase(&purchase);
            let settled = bodies::settled(payment, &purchase);
            let change = PurchaseChange::Completed(&stored, settled.as_ref());
            let written = self.purchases.write(&purchase, change, None, &body).await;
            Ok(written.map(|()| purchase))
        })
        .await
    }
}

/// Settles a pending payment of a purchase that is no longer pending; returns the payment as it is then.
///
/// # Errors
/// If it could not be written.
pub async fn settle(
    purchases: &Purchases,
    purchase: &Versioned<Purchase>,
    payment: Option<Versioned<Payment>>,
    deadline: Instant,
) -> Result<Option<Payment>, Problem> {
    if bodies::settled(payment.clone(), &purchase.document).is_none() {
        return Ok(payment.map(|payment| payment.document));
    }
    store::update_idempotent(deadline, || async {
        let payment = purchases.payment_of(&purchase.document.id).await?;
        let stored = payment.as_ref().map(|payment| payment.document.clone());
        let Some(settled) = bodies::settled(payment, &purchase.document) else { return Ok(Ok(stored)) };
        let written = purchases.settle_payment(purchase, &settled).await;
        Ok(written.map(|()| Some(settled.payment)))
    })
    .await
}
