//! Products: their documents with what is recorded of their sales, and who looked at them.
//!
//! A product's document and the facts of its sale commit together: it becomes sold with the fact of a sale, and stops being
//! so with that of its undoing, which lies at the time of the sale that it takes back. So do those of when it can be seen
//! and bought. What was sold stays so when the product is deleted. Who looked at a product in a month is a
//! small item of state, which commits with the fact of the view.

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

/// How long after its month it is remembered who looked at a product: longer than any clock is behind.
const REMEMBERED: TimeDelta = TimeDelta::days(2);

/// Whose a view became that nobody was known for; absent as long as it is nobody's.
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

/// How many sales of a seller began on a day.
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

    /// What there is of a product; strongly consistent.
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

    /// Puts a product in place of what was read, with the facts of what that changes of its sale, and of whether it can be
    /// bought; tells its new version. Of one seller, at most `most` sales begin in a day, where that is given.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another was written in between, or there are as many sales already.
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

    /// Whether a look of somebody at a product would be the first of this month; `actors` are all that the viewer names.
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

    /// Somebody looks at a product; tells whether that is the first time in this month. `actors` are all that the viewer
    /// names, the best known first: what the session or device saw before the viewer was known counts once, for the first
    /// who is known there.
    ///
    /// # Errors
    /// What stood in the way when the time was up; it may or may not have been recorded, and can be said again.
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
                // What was seen before the viewer was known is the viewer's now, and no other's any more.
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
