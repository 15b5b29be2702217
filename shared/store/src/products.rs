//! Products: documents, sales and views.
//!
//! A product's document and the facts of its sale commit together: a product becomes sold with the fact of a sale, and
//! is no longer sold with the fact of its undoing, which has the time of the sale. The facts of listings commit in the
//! same way. Sales stay counted when the product is deleted. A small item of state records who viewed a product in a
//! month, and commits with the fact of the view.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::documents::{Version, Versioned};
use super::error::StoreError;
use super::facts::NewFact;
use super::items::{TTL, number, text, to_item, to_key};
use super::keys;
use super::retention::Retention;
use super::retry;
use super::slot::{Slot, tombstone};
use super::table::Consistency;
use super::transaction::{Changes, Condition, Transaction};
use crate::setup::{InteractionsTable, Setup, StateTable};
use domain::calendar::{Calendar, Level};
use domain::caller::Actor;
use domain::entity::Entity;
use domain::id::{ProductId, UserId};
use domain::product::{Product, ProductEvent, ProductFact, Sale};
use domain::time::Time;
use system::clock::Clock;
use system::ids::Ids;

/// How long after its month a view is remembered; longer than any clock is behind.
const REMEMBERED: TimeDelta = TimeDelta::days(2);

/// The user to whom a view of an unknown viewer was attributed; absent until then.
const VIEWER: &str = "viewer";

/// The tables of products and of what happens to them.
#[derive(Clone)]
pub struct Products {
    state: StateTable,
    facts: InteractionsTable,
    retention: Retention,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

/// The number of a seller's sales that began on a day.
const SALES: &str = "sales";

/// Whether a product is sold with this that was not before.
fn begins_sale(product: &Product, stored: Option<&Product>) -> bool {
    product.sale.is_some() && stored.is_none_or(|stored| stored.sale.is_none())
}

/// Products as they are described, for those who buy them.
#[derive(Debug, Clone)]
pub struct Catalog {
    state: StateTable,
}

impl Catalog {
    /// Opens the catalog.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { state: setup.state_table() }
    }

    /// Whether a product can be bought: it is there, and neither a draft nor sold. Strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn offers<'a>(&'a self, id: &'a ProductId) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let stored = self.state.get(&keys::document(&Entity::Product(id.clone())), Consistency::Strong).await?;
            Ok(Slot::<Product>::read(stored)?.present().is_some_and(|stored| stored.document.is_active()))
        })
    }
}

impl Products {
    /// Opens the products.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self {
            state: setup.state_table(),
            facts: setup.interactions_table(),
            retention: setup.retention(),
            clock: setup.clock(),
            ids: setup.ids(),
        }
    }

    /// The slot of a product; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn product<'a>(&'a self, id: &'a ProductId) -> BoxFuture<'a, Result<Slot<Product>, StoreError>> {
        Box::pin(async move {
            let key = keys::document(&Entity::Product(id.clone()));
            Slot::read(self.state.get(&key, Consistency::Strong).await?)
        })
    }

    /// Whether a sale that begins with this product is one that its seller may still make on this day; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read.
    pub fn may_sell<'a>(
        &'a self,
        product: &'a Product,
        stored: Option<&'a Product>,
        most: Option<u64>,
        now: Time,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let (Some(most), true) = (most, begins_sale(product, stored)) else { return Ok(true) };
            let item = self.state.get(&keys::sales_on(&product.seller, now), Consistency::Strong).await?;
            let sales: u64 = item.as_ref().and_then(|item| number(item, SALES)).unwrap_or_default();
            Ok(sales < most)
        })
    }

    /// Puts a product in place of the stored one, with the facts of its sale and its listing, and returns its new
    /// version. At most `most` sales of a seller begin in a day, if that is given.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another write came between, or the seller has reached the limit.
    pub fn put<'a>(
        &'a self,
        id: &'a ProductId,
        product: &'a Product,
        stored: &'a Slot<Product>,
        most: Option<u64>,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        Box::pin(async move {
            let version = Version(self.ids.fresh());
            let mut transaction = Transaction::new(self.state.client.clone());
            let document = Versioned { version: version.clone(), document: product };
            let item = to_item(&keys::document(&Entity::Product(id.clone())), document)?;
            transaction.put(&self.state.name, item, Some(stored.condition()))?;
            let stored = stored.as_present().map(|stored| &stored.document);
            self.list(id, &product.seller, (stored, Some(product)), &version, &mut transaction)?;
            let before = stored.and_then(|stored| stored.sale.as_ref());
            if let (Some(most), true) = (most, begins_sale(product, stored)) {
                let now = Time::from(self.clock.now());
                let mut one = Changes::default();
                one.add(SALES, 1);
                one.set(TTL, AttributeValue::N(now.plus(REMEMBERED).seconds().to_string()));
                let condition = Condition::below(SALES, most, None);
                transaction.update(&self.state.name, &keys::sales_on(&product.seller, now), one, Some(condition))?;
            }
            if before != product.sale.as_ref() {
                for (sale, on) in
                    before.map(|sale| (sale, false)).into_iter().chain(product.sale.as_ref().map(|sale| (sale, true)))
                {
                    transaction.put(&self.facts.name, self.sale(id, product, sale, on)?.into_item(), None)?;
                }
            }
            transaction.commit().await?;
            Ok(version)
        })
    }

    /// Deletes the product that was read.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another was written in between.
    pub fn delete<'a>(
        &'a self,
        id: &'a ProductId,
        stored: &'a Versioned<Product>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let version = Version(self.ids.fresh());
            let (product, condition) = (&stored.document, Condition::unchanged(Some(stored.version.0.clone())));
            let gone = tombstone(&keys::document(&Entity::Product(id.clone())), version.0.clone(), &product.seller)?;
            let mut transaction = Transaction::new(self.state.client.clone());
            transaction.put(&self.state.name, gone, Some(condition))?;
            self.list(id, &product.seller, (Some(product), None), &version, &mut transaction)?;
            transaction.commit().await
        })
    }

    /// The fact of whether it can be seen and bought, where that changes with this version.
    fn list(
        &self,
        id: &ProductId,
        seller: &UserId,
        (was, becomes): (Option<&Product>, Option<&Product>),
        version: &Version,
        transaction: &mut Transaction,
    ) -> Result<(), StoreError> {
        let on = becomes.is_some_and(Product::is_active);
        if was.is_some_and(Product::is_active) == on {
            return Ok(());
        }
        let key = keys::listing(id, Time::from(self.clock.now()), &version.0);
        let fact = ProductFact { seller: seller.clone(), what: ProductEvent::Listing { on } };
        transaction.put(&self.facts.name, NewFact::for_ever(key, fact)?.into_item(), None)
    }

    fn sale(&self, id: &ProductId, product: &Product, sale: &Sale, on: bool) -> Result<NewFact, StoreError> {
        let key = keys::product_sale(id, sale.at, if on { "sale" } else { "undo" }, &sale.id);
        let what = ProductEvent::Sale { on, price: sale.price, currency: sale.currency };
        NewFact::for_ever(key, ProductFact { seller: product.seller.clone(), what })
    }

    /// Whether a view would be the first of this viewer in this month; `actors` are all actors that the viewer names.
    ///
    /// # Errors
    /// What stood in the way when the time was up.
    pub fn is_first_view<'a>(
        &'a self,
        actors: &'a [Actor],
        id: &'a ProductId,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(retry::until(deadline, move || {
            Box::pin(async move {
                let Some(viewer) = actors.first() else { return Ok(false) };
                let month = Calendar::default().period(Level::Month, Time::from(self.clock.now()));
                let asked = actors.iter().map(|actor| keys::viewed(actor, id, &month)).collect();
                let stored = self.state.get_all(asked, Consistency::Strong, deadline).await?;
                let is_known = stored.contains_key(&keys::viewed(viewer, id, &month));
                Ok(!is_known && stored.values().all(|seen| text(seen, VIEWER).is_some()))
            })
        }))
    }

    /// Records a view, and returns whether it is the first of this viewer in this month. `actors` are all actors that
    /// the viewer names, the most certain first: views of the session or device before the viewer signed in count once,
    /// for the first user.
    ///
    /// # Errors
    /// The last error before the deadline; the view may or may not have been recorded, and can be recorded again.
    pub fn view<'a>(
        &'a self,
        actors: &'a [Actor],
        id: &'a ProductId,
        product: &'a Product,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(retry::until(deadline, move || {
            Box::pin(async move {
                let Some(viewer) = actors.first() else { return Ok(false) };
                let now = Time::from(self.clock.now());
                let month = Calendar::default().period(Level::Month, now);
                let asked = actors.iter().map(|actor| keys::viewed(actor, id, &month)).collect();
                let stored = self.state.get_all(asked, Consistency::Strong, deadline).await?;
                let own = keys::viewed(viewer, id, &month);
                if stored.contains_key(&own) {
                    return Ok(false);
                }
                let mut viewed = to_key(&own);
                let expiry = month.end().plus(REMEMBERED).seconds();
                viewed.insert(TTL.to_owned(), AttributeValue::N(expiry.to_string()));
                let mut transaction = Transaction::new(self.state.client.clone());
                transaction.put(&self.state.name, viewed, Some(Condition::unchanged(None)))?;
                // Views before the viewer signed in now belong to the viewer, and to no other user.
                let before = stored.into_values().filter(|item| text(item, VIEWER).is_none());
                let mut is_new = true;
                for mut seen in before {
                    is_new = false;
                    seen.insert(VIEWER.to_owned(), AttributeValue::S(viewer.to_string()));
                    transaction.put(&self.state.name, seen, Some(Condition::absent(VIEWER)))?;
                }
                if is_new {
                    let fact = ProductFact { seller: product.seller.clone(), what: ProductEvent::View };
                    let fact = NewFact::new(keys::view(id, now, &self.ids.fresh()), fact, self.retention.expiry(now))?;
                    transaction.put(&self.facts.name, fact.into_item(), None)?;
                }
                transaction.commit().await?;
                Ok(is_new)
            })
        }))
    }
}
