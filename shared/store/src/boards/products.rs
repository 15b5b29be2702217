//! Products as they are shown: with how many looked at them, and in that order.

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

/// How many products are looked at for one page, of which some may have been sold.
const LOOKED_AT: usize = 500;

/// How many of them at once, at least: as many as one batch takes.
const AT_ONCE: usize = 100;

/// A product, and how many looked at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The product.
    pub product: Versioned<Product>,
    /// Distinct viewers in each month, of all months.
    pub total: i64,
    /// Distinct viewers in the month that was asked for.
    pub in_month: i64,
}

/// A product that can be bought, and how many looked at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewed {
    /// Its id.
    pub id: ProductId,
    /// The product.
    pub product: Product,
    /// Distinct viewers in each month.
    pub views: u64,
}

/// A page of the products that are looked at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trending {
    /// They, in their order. There may be fewer than asked for, and even none, and still more on the next page.
    pub products: Vec<Viewed>,
    /// Where it goes on, if it does.
    pub next: Option<String>,
}

/// The numbers of products, and the table of what products are.
#[derive(Debug, Clone)]
pub struct ProductReader {
    boards: Boards,
    state: StateTable,
}

impl ProductReader {
    /// Opens products with their numbers.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { boards: Boards::open(setup), state: setup.state_table() }
    }

    /// A product with its distinct viewers, of all times and of a month; eventually consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn product<'a>(
        &'a self,
        id: &'a ProductId,
        month: &'a Period,
    ) -> BoxFuture<'a, Result<Option<Shown>, StoreError>> {
        Box::pin(async move {
            let key = keys::document(&Entity::Product(id.clone()));
            let views = |key: Key| async move {
                let item = self.boards.stats.get(&key, Consistency::Eventual).await?;
                Ok::<_, StoreError>(item.as_ref().map(Sums::of).unwrap_or_default().get("views"))
            };
            let (held, total, in_month) = futures::try_join!(
                self.state.get(&key, Consistency::Eventual),
                views(keys::product_total(id)),
                views(keys::product_in(id, month))
            )?;
            Ok(Slot::read(held)?.present().map(|product| Shown { product, total, in_month }))
        })
    }

    /// Up to `count` of the products that can be bought, who was looked at by most first, from the top or from where an earlier
    /// page says it goes on. Eventually consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn trending<'a>(
        &'a self,
        season: Season,
        after: Option<&'a str>,
        count: usize,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Trending, StoreError>> {
        Box::pin(async move {
            let (mut products, mut last) = (Vec::new(), after.map(str::to_owned));
            let mut looked_at = 0;
            while looked_at < LOOKED_AT {
                // Where few are asked for, they are often the first.
                let round = if looked_at == 0 { count } else { count.max(AT_ONCE) };
                let places: Vec<Place<ProductId>> =
                    self.boards.next(Board::Products(season), last.as_deref(), false, round + 1).await?;
                let goes_on = places.len() > round;
                let keys = places.iter().map(|(_, _, id)| keys::document(&Entity::Product(id.clone()))).collect();
                let mut held = self.state.get_all(keys, Consistency::Eventual, deadline).await?;
                let mut left = places.len();
                for (sk, views, id) in places.into_iter().take(round) {
                    if products.len() == count {
                        break;
                    }
                    left -= 1;
                    looked_at += 1;
                    last = Some(sk);
                    let item = held.remove(&keys::document(&Entity::Product(id.clone())));
                    let product = Slot::<Product>::read(item)?.present();
                    let active = product.filter(|held| held.document.is_active());
                    products.extend(active.map(|Versioned { document: product, .. }| Viewed { id, product, views }));
                }
                if products.len() == count || !goes_on {
                    return Ok(Trending { products, next: last.filter(|_| left > 0) });
                }
            }
            Ok(Trending { products, next: last })
        })
    }
}
