//! Ownership: one item for each buyer and purchased item, with the number of active purchases.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::error::StoreError;
use crate::items::{number, text};
use crate::keys::{self, Key};
use crate::setup::{Setup, StateTable};
use crate::table::Consistency;
use domain::id::PurchaseId;
use domain::purchase::{Buyer, Item};

/// The number of active purchases.
pub(crate) const ACTIVE_PURCHASES: &str = "standing";
/// The last of them.
pub(crate) const PURCHASE: &str = "purchase";
/// When that was paid.
pub(crate) const SINCE: &str = "since";

/// The table of ownership.
#[derive(Debug, Clone)]
pub struct Ownership {
    state: StateTable,
}

impl Ownership {
    /// Opens the ownerships.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { state: setup.state_table() }
    }

    /// The items among these that a buyer owns, each with its last purchase; strongly consistent if `strong`. One read
    /// per item.
    ///
    /// # Errors
    /// If not all could be read, or some are not what this program writes.
    pub fn of<'a>(
        &'a self,
        buyer: &'a Buyer,
        items: &'a BTreeSet<Item>,
        strong: bool,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<BTreeMap<Item, PurchaseId>, StoreError>> {
        Box::pin(async move {
            let consistency = if strong { Consistency::Strong } else { Consistency::Eventual };
            let asked: BTreeSet<Key> = items.iter().map(|item| keys::ownership(buyer, item)).collect();
            let found = self.state.get_all(asked, consistency, deadline).await?;
            let mut owned = BTreeMap::new();
            for item in items {
                let key = keys::ownership(buyer, item);
                let Some(stored) = found.get(&key) else { continue };
                let standing: Option<i64> = number(stored, ACTIVE_PURCHASES);
                let standing =
                    standing.ok_or_else(|| StoreError::corrupt(format!("{}/{}", key.pk, key.sk), "no number"))?;
                if standing > 0 {
                    let purchase = text(stored, PURCHASE).unwrap_or_default().parse();
                    let corrupt = |error| StoreError::corrupt(format!("{}/{}", key.pk, key.sk), error);
                    owned.insert(item.clone(), purchase.map_err(corrupt)?);
                }
            }
            Ok(owned)
        })
    }
}
