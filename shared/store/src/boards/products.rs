//! Reads products with their views, and products ordered by views.

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::Boards;
use super::reading::Place;
use crate::documents::Versioned;
use crate::error::StoreError;
use crate::keys::{self, Key};
use crate::setup::{Setup, StateTable};
use crate::slot::Slot;
use crate::sums::Sums;
use crate::table::Consistency;
use domain::board::{Board, Season};
use domain::calendar::Period;
use domain::entity::Entity;
use domain::id::ProductId;
use domain::product::Product;

/// How many products are read for one page. Some of them may have been sold.
const MAX_READ: usize = 500;

/// How many products are read at once, at least: as many as one batch takes.
const BATCH: usize = 100;

/// A product and its views.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductWithViews {
    /// The product.
    pub product: Versioned<Product>,
    /// The distinct viewers of each month, summed over all months.
    pub total: i64,
    /// The distinct viewers in the requested month.
    pub in_month: i64,
}

/// A product that can be bought, and its views.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewedProduct {
    /// The id of the product.
    pub id: ProductId,
    /// The product.
    pub product: Product,
    /// The distinct viewers of each month, summed over the season.
    pub views: u64,
}

/// A page of the products with the most views.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trending {
    /// The products, in order. There may be fewer than requested, or none, and still more on the next page.
    pub products: Vec<ViewedProduct>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// Reads products and their views.
#[derive(Debug, Clone)]
pub struct ProductReader {
    boards: Boards,
    state: StateTable,
}

impl ProductReader {
    /// Opens the products.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { boards: Boards::open(setup), state: setup.state_table() }
    }

    /// A product with its distinct viewers, of all times and of a month; eventually consistent.
    ///
    /// # Errors
    /// If it could not be read or is corrupt.
    pub fn product<'a>(
        &'a self,
        id: &'a ProductId,
        month: &'a Period,
    ) -> BoxFuture<'a, Result<Option<ProductWithViews>, StoreError>> {
        Box::pin(async move {
            let key = keys::document(&Entity::Product(id.clone()));
            let views = |key: Key| async move {
                let item = self.boards.stats.get(&key, Consistency::Eventual).await?;
                Ok::<_, StoreError>(item.as_ref().map(Sums::of).unwrap_or_default().get("views"))
            };
            let (stored, total, in_month) = futures::try_join!(
                self.state.get(&key, Consistency::Eventual),
                views(keys::product_total(id)),
                views(keys::product_in(id, month))
            )?;
            Ok(Slot::read(stored)?.present().map(|product| ProductWithViews { product, total, in_month }))
        })
    }

    /// Up to `count` of the products that can be bought, those with the most views first, from the top or from the
    /// start of a later page. Eventually consistent.
    ///
    /// # Errors
    /// If they could not be read or are corrupt.
    pub fn trending<'a>(
        &'a self,
        season: Season,
        after: Option<&'a str>,
        count: usize,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Trending, StoreError>> {
        Box::pin(async move {
            let (mut products, mut last) = (Vec::new(), after.map(str::to_owned));
            let mut read = 0;
            while read < MAX_READ {
                // The first products are often enough.
                let round = if read == 0 { count } else { count.max(BATCH) };
                let places: Vec<Place<ProductId>> =
                    self.boards.next(Board::Products(season), last.as_deref(), false, round + 1).await?;
                let goes_on = places.len() > round;
                let keys = places.iter().map(|(_, _, id)| keys::document(&Entity::Product(id.clone()))).collect();
                let mut stored = self.state.get_all(keys, Consistency::Eventual, deadline).await?;
                let mut left = places.len();
                for (sk, views, id) in places.into_iter().take(round) {
                    if products.len() == count {
                        break;
                    }
                    left -= 1;
                    read += 1;
                    last = Some(sk);
                    let item = stored.remove(&keys::document(&Entity::Product(id.clone())));
                    let product = Slot::<Product>::read(item)?.present();
                    let active = product.filter(|stored| stored.document.is_active());
                    products.extend(active.map(|Versioned { document: product, .. }| ViewedProduct {
                        id,
                        product,
                        views,
                    }));
                }
                if products.len() == count || !goes_on {
                    return Ok(Trending { products, next: last.filter(|_| left > 0) });
                }
            }
            Ok(Trending { products, next: last })
        })
    }
}
