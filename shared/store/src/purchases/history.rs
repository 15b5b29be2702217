//! A buyer's purchases, the newest first.

use futures::future::BoxFuture;

use crate::documents::Versioned;
use crate::error::StoreError;
use crate::items::{from_item, text};
use crate::keys::{self, SK};
use crate::setup::{PurchasesTable, Setup};
use crate::table::{Consistency, KeyRange, LAST};
use domain::id::PurchaseId;
use domain::purchase::{Buyer, ItemType, Purchase, Status};
use domain::time::Time;

/// The most purchases that are read together.
const PAGE: i32 = 100;

/// The most reads for one page, if a filter drops most purchases.
const PAGES: usize = 10;

/// A filter of purchases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PurchaseFilter {
    /// Of this kind of item.
    pub kind: Option<ItemType>,
    /// The status.
    pub status: Option<Status>,
    /// Made then or later.
    pub from: Option<Time>,
    /// Made before.
    pub until: Option<Time>,
}

impl PurchaseFilter {
    fn takes(&self, purchase: &Purchase) -> bool {
        self.kind.is_none_or(|kind| kind == purchase.item.kind)
            && self.status.is_none_or(|status| status == purchase.status)
            && self.until.is_none_or(|until| purchase.purchased_at < until)
    }
}

/// Some of what a buyer bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurchasePage {
    /// The purchases.
    pub purchases: Vec<Purchase>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// The table of purchases, for looking back.
#[derive(Debug, Clone)]
pub struct PurchaseHistory {
    ledger: PurchasesTable,
}

impl PurchaseHistory {
    /// Opens the history.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { ledger: setup.purchases_table() }
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

    /// Up to `limit` purchases of a buyer, the newest first, from the cursor of an earlier page. A page may be shorter
    /// and still have a next one, if the filter drops most purchases. Eventually consistent.
    ///
    /// # Errors
    /// If they could not be read, or some are not what this program writes.
    pub fn of<'a>(
        &'a self,
        buyer: &'a Buyer,
        filter: &'a PurchaseFilter,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<PurchasePage, StoreError>> {
        Box::pin(async move {
            let from = filter.from.map(|from| from.to_string()).unwrap_or_else(|| " ".to_owned());
            // The end of the year 9999 is written with a sign, which sorts before all digits.
            let last = filter.until.map(|until| until.to_string()).filter(|until| !until.starts_with('+'));
            let last = last.unwrap_or_else(|| LAST.to_string());
            let mut range = KeyRange { pk: keys::purchases_of(buyer), from, to: after.map_or(last, str::to_owned) };
            let mut seen = after.map(str::to_owned);
            let mut purchases = Vec::new();
            // The last entry seen comes again, and one more shows whether another page follows.
            let is_picky = filter.kind.is_some() || filter.status.is_some();
            let page = if is_picky { PAGE } else { i32::try_from(limit + 2).unwrap_or(PAGE).min(PAGE) };
            for _ in 0..PAGES {
                if range.to < range.from {
                    return Ok(PurchasePage { purchases, next: None });
                }
                let items = self.ledger.query_page(&range, page, true).await?;
                let is_last = items.len() < usize::try_from(page).unwrap_or_default();
                for item in items {
                    let key = text(&item, SK).unwrap_or_default().to_owned();
                    // The range ends with the last entry seen.
                    if seen.as_ref() == Some(&key) {
                        continue;
                    }
                    let purchase: Purchase = from_item(item)?;
                    if filter.takes(&purchase) {
                        if purchases.len() == limit {
                            return Ok(PurchasePage { purchases, next: seen });
                        }
                        purchases.push(purchase);
                    }
                    seen = Some(key);
                }
                if is_last {
                    return Ok(PurchasePage { purchases, next: None });
                }
                if let Some(seen) = &seen {
                    range.to.clone_from(seen);
                }
            }
            Ok(PurchasePage { purchases, next: seen })
        })
    }
}
