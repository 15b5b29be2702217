//! Completing purchases: what follows when the payment of one was approved, whoever says so.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::bodies;
use super::problem::Problem;
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::domain::id::PurchaseId;
use crate::domain::purchase::{Purchase, Status};
use crate::domain::time::Time;
use crate::store::{Change, Ownership, Purchases};

/// What completes purchases.
#[derive(Clone)]
pub struct Completion {
    ownership: Ownership,
    purchases: Purchases,
    clock: Arc<dyn Clock>,
}

impl Completion {
    /// Completes these purchases.
    #[must_use]
    pub fn new(ownership: Ownership, purchases: Purchases, clock: Arc<dyn Clock>) -> Self {
        Self { ownership, purchases, clock }
    }

    /// The purchase after its payment was approved; where it was approved already, nothing changes.
    ///
    /// # Errors
    /// If there is none, if it has ended, if the buyer has the thing by another purchase, or if it could not be written.
    pub async fn complete(&self, id: &PurchaseId, deadline: Instant) -> Result<Purchase, Problem> {
        let now = Time::from(self.clock.now());
        let mut backoff = Backoff::until(deadline);
        loop {
            let held = self.purchases.purchase(id).await?;
            let held = held.ok_or_else(|| Problem::NotFound(format!("there is no purchase {id}")))?;
            if held.document.status == Status::Completed {
                return Ok(held.document);
            }
            let purchase = held.document.complete(now)?;
            if purchase.item.kind.is_had_once() {
                let items = BTreeSet::from([purchase.item.clone()]);
                let mut owned = self.ownership.of(&purchase.buyer, &items, true, deadline).await?;
                match owned.remove(&purchase.item) {
                    // Completed by another in between, as the purchase says by now.
                    Some(other) if other == *id => continue,
                    Some(other) => return Err(Problem::Owned(other)),
                    None => {}
                }
            }
            let body = bodies::purchase(&purchase);
            match self.purchases.write(&purchase, Change::Completed(&held), None, &body).await {
                Ok(()) => return Ok(purchase),
                Err(error) if error.may_pass() && backoff.wait().await => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
