//! Documents of packages, with all that names a package written in the same transaction.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::BoxFuture;

use crate::contributions::AS_OF;
use crate::documents::{Version, Versioned};
use crate::error::StoreError;
use crate::items::{VERSION, to_item, to_key};
use crate::keys;
use crate::setup::{Setup, StateTable};
use crate::slot::{Slot, gone};
use crate::table::Consistency;
use crate::transaction::{Changes, Condition, Transaction};
use domain::id::{PackageId, UserId};
use domain::package::Package;
use domain::time::Time;
use system::clock::Clock;
use system::ids::Ids;

/// Whose a package is; with its numbers.
pub(super) const CREATOR: &str = "creator";
/// The currency of its price; with its numbers.
pub(super) const CURRENCY: &str = "currency";
/// Whether it is there; with its numbers.
pub(super) const EXISTS: &str = "exists";

/// The tables of packages' documents, and of the numbers that a package begins with.
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

    /// What there is of a package; strongly consistent if `strong`.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn package<'a>(&'a self, id: &'a PackageId, strong: bool) -> BoxFuture<'a, Result<Slot<Package>, StoreError>> {
        Box::pin(async move {
            let consistency = if strong { Consistency::Strong } else { Consistency::Eventual };
            Slot::read(self.state.get(&keys::package(id), consistency).await?)
        })
    }

    /// Puts a package in place of what was read; tells its version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another was written in between.
    pub fn put<'a>(
        &'a self,
        id: &'a PackageId,
        package: &'a Package,
        held: &'a Slot<Package>,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        Box::pin(async move {
            let version = Version(self.ids.fresh());
            let document = Versioned { version: version.clone(), document: package };
            let state = &self.state.name;
            let mut transaction = Transaction::new(self.state.client.clone());
            transaction.put(state, to_item(&keys::package(id), document)?, Some(held.condition()))?;
            if !matches!(held, Slot::Present(_)) {
                transaction.put(state, to_key(&keys::package_of(&package.creator, id)), None)?;
                transaction.put(state, to_key(&keys::listed_package(id)), None)?;
            }
            if described(held) != Some((&package.creator, package.currency.code())) {
                let mut numbers = described_as(Some(package), self.ids.fresh());
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
    /// [`StoreError::Conflict`] if another was written in between.
    pub fn delete<'a>(
        &'a self,
        id: &'a PackageId,
        held: &'a Versioned<Package>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let creator = &held.document.creator;
            let gone = gone(&keys::package(id), self.ids.fresh(), creator)?;
            let state = &self.state.name;
            let condition = Condition::still(Some(held.version.0.clone()));
            let mut transaction = Transaction::new(self.state.client.clone());
            transaction.put(state, gone, Some(condition))?;
            transaction.delete(state, &keys::package_of(creator, id), None)?;
            transaction.delete(state, &keys::listed_package(id), None)?;
            let numbers = described_as(None, self.ids.fresh());
            transaction.update(&self.stats, &keys::package_total(id), numbers, None)?;
            transaction.commit().await
        })
    }
}

/// What is said of a package with its numbers.
fn described(held: &Slot<Package>) -> Option<(&UserId, &str)> {
    held.as_present().map(|held| (&held.document.creator, held.document.currency.code()))
}

/// Says with a package's numbers whether there is one, whose it is, and in which currency it is sold.
pub(super) fn described_as(package: Option<&Package>, version: String) -> Changes {
    let mut numbers = Changes::default();
    numbers.set(VERSION, AttributeValue::S(version));
    numbers.set(EXISTS, AttributeValue::Bool(package.is_some()));
    if let Some(package) = package {
        numbers.set(CREATOR, AttributeValue::S(package.creator.to_string()));
        numbers.set(CURRENCY, AttributeValue::S(package.currency.to_string()));
    }
    numbers
}
