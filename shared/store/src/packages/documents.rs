//! Documents of packages. One transaction writes a document with all items that name the package.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::BoxFuture;

use crate::contributions::AS_OF;
use crate::documents::{Version, Versioned};
use crate::error::StoreError;
use crate::items::{VERSION, to_item, to_key};
use crate::keys;
use crate::setup::{Setup, StateTable};
use crate::slot::{Slot, tombstone};
use crate::table::Consistency;
use crate::transaction::{Changes, Condition, Transaction};
use domain::id::{PackageId, UserId};
use domain::package::Package;
use domain::time::Time;
use system::clock::Clock;
use system::ids::Ids;

/// The creator of a package, in the item of its total.
pub(super) const CREATOR: &str = "creator";
/// The currency of a package's price, in the item of its total.
pub(super) const CURRENCY: &str = "currency";
/// Whether the package exists, in the item of its total.
pub(super) const EXISTS: &str = "exists";

/// The documents of packages.
#[derive(Clone)]
pub struct Packages {
    state: StateTable,
    stats: String,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Packages {
    /// Opens the packages.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        let (state, stats) = (setup.state_table(), setup.stats_table().name.clone());
        Self { state, stats, clock: setup.clock(), ids: setup.ids() }
    }

    /// Reads a package; strongly consistent if `strong`.
    ///
    /// # Errors
    /// If it could not be read or is corrupt.
    pub fn package<'a>(&'a self, id: &'a PackageId, strong: bool) -> BoxFuture<'a, Result<Slot<Package>, StoreError>> {
        Box::pin(async move {
            let consistency = if strong { Consistency::Strong } else { Consistency::Eventual };
            Slot::read(self.state.get(&keys::package(id), consistency).await?)
        })
    }

    /// Puts a package in the slot that was read. Returns its new version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the slot has changed since it was read.
    pub fn put<'a>(
        &'a self,
        id: &'a PackageId,
        package: &'a Package,
        current: &'a Slot<Package>,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        Box::pin(async move {
            let version = Version(self.ids.fresh());
            let document = Versioned { version: version.clone(), document: package };
            let state = &self.state.name;
            let mut transaction = Transaction::new(self.state.client.clone());
            transaction.put(state, to_item(&keys::package(id), document)?, Some(current.condition()))?;
            if !matches!(current, Slot::Present(_)) {
                transaction.put(state, to_key(&keys::package_of(&package.creator, id)), None)?;
                transaction.put(state, to_key(&keys::listed_package(id)), None)?;
            }
            if description(current) != Some((&package.creator, package.currency.code())) {
                let mut numbers = description_changes(Some(package), self.ids.fresh());
                numbers.set_if_absent(AS_OF, AttributeValue::S(Time::from(self.clock.now()).to_string()));
                transaction.update(&self.stats, &keys::package_total(id), numbers, None)?;
            }
            transaction.commit().await?;
            Ok(version)
        })
    }

    /// Deletes the package that was read.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the slot has changed since it was read.
    pub fn delete<'a>(
        &'a self,
        id: &'a PackageId,
        current: &'a Versioned<Package>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let creator = &current.document.creator;
            let gone = tombstone(&keys::package(id), self.ids.fresh(), creator)?;
            let state = &self.state.name;
            let condition = Condition::unchanged(Some(current.version.0.clone()));
            let mut transaction = Transaction::new(self.state.client.clone());
            transaction.put(state, gone, Some(condition))?;
            transaction.delete(state, &keys::package_of(creator, id), None)?;
            transaction.delete(state, &keys::listed_package(id), None)?;
            let numbers = description_changes(None, self.ids.fresh());
            transaction.update(&self.stats, &keys::package_total(id), numbers, None)?;
            transaction.commit().await
        })
    }
}

/// What a package's total repeats of its document.
fn description(slot: &Slot<Package>) -> Option<(&UserId, &str)> {
    slot.as_present().map(|package| (&package.document.creator, package.document.currency.code()))
}

/// The changes that describe a package in the item of its total: whether it exists, its creator and its currency.
pub(super) fn description_changes(package: Option<&Package>, version: String) -> Changes {
    let mut numbers = Changes::default();
    numbers.set(VERSION, AttributeValue::S(version));
    numbers.set(EXISTS, AttributeValue::Bool(package.is_some()));
    if let Some(package) = package {
        numbers.set(CREATOR, AttributeValue::S(package.creator.to_string()));
        numbers.set(CURRENCY, AttributeValue::S(package.currency.to_string()));
    }
    numbers
}
