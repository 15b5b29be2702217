//! Discounts, and how often they were used: counted in the transaction of the purchase that uses one.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::documents::Version;
use crate::error::StoreError;
use crate::items::{TTL, VERSION, from_item};
use crate::keys;
use crate::setup::{Setup, StateTable};
use crate::table::Consistency;
use crate::transaction::{Changes, Condition, Transaction};
use domain::discount::{Discount, MAX_TRIES};
use domain::id::{DiscountCode, UserId};
use domain::time::Time;
use system::ids::Ids;

/// The number of uses of a discount.
const USES: &str = "uses";

/// The discount.
const DISCOUNT: &str = "discount";

/// A discount as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredDiscount {
    /// The code.
    #[serde(skip)]
    code: Option<DiscountCode>,
    /// The version, which uses do not change.
    pub version: Version,
    /// The number of uses.
    #[serde(default)]
    pub uses: u64,
    /// The discount.
    pub discount: Discount,
}

impl StoredDiscount {
    /// Whether it was used as often as it may be.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.discount.max_uses.is_some_and(|max| self.uses >= max)
    }

    /// Counts a use, if the discount is unchanged and not used up.
    pub(super) fn take(&self, state: &str, transaction: &mut Transaction) -> Result<(), StoreError> {
        let Some(code) = &self.code else { return Err(StoreError::corrupt(DISCOUNT, "no code")) };
        let mut changes = Changes::default();
        changes.add(USES, 1);
        let version = Some(self.version.0.clone());
        let condition = match self.discount.max_uses {
            Some(max) => Condition::below(USES, max, version),
            None => Condition::unchanged(version),
        };
        transaction.update(state, &keys::discount(code), changes, Some(condition))
    }
}

/// A purchase that used it came to nothing.
pub(super) fn give_back(state: &str, code: &DiscountCode, transaction: &mut Transaction) -> Result<(), StoreError> {
    let mut changes = Changes::default();
    changes.add(USES, -1);
    transaction.update(state, &keys::discount(code), changes, None)
}

/// The number of codes that a user tried in an hour.
const TRIES: &str = "tries";

/// How long after its hour a counter of tries is stored.
const KEPT: TimeDelta = TimeDelta::hours(2);

/// The counts of the codes that callers name and that are not given: a bound on guessing.
#[derive(Debug, Clone)]
pub struct DiscountAttempts {
    state: StateTable,
}

impl DiscountAttempts {
    /// Opens the attempts.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { state: setup.state_table() }
    }

    /// Counts a try before the code is read, so that concurrent tries cannot exceed the limit. Returns whether one was
    /// left in this hour.
    ///
    /// # Errors
    /// If it could not be counted.
    pub fn take<'a>(&'a self, user: &'a UserId, now: Time) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut one = Changes::default();
            one.add(TRIES, 1);
            one.set(TTL, AttributeValue::N(now.plus(KEPT).seconds().to_string()));
            let condition = Condition::below(TRIES, MAX_TRIES, None);
            match self.state.update(&keys::tries(user, now.hour()), one, condition).await {
                Ok(()) => Ok(true),
                Err(StoreError::Conflict) => Ok(false),
                Err(error) => Err(error),
            }
        })
    }

    /// Takes back a try whose code was not wrong.
    ///
    /// # Errors
    /// If it could not be taken back.
    pub fn give_back<'a>(&'a self, user: &'a UserId, taken: Time) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut one_less = Changes::default();
            one_less.add(TRIES, -1);
            self.state.update(&keys::tries(user, taken.hour()), one_less, Condition::default()).await
        })
    }
}

/// The table of discounts.
#[derive(Clone)]
pub struct Discounts {
    state: StateTable,
    ids: Arc<dyn Ids>,
}

impl Discounts {
    /// Opens the discounts.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { state: setup.state_table(), ids: setup.ids() }
    }

    /// A discount, if there is one; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn discount<'a>(&'a self, code: &'a DiscountCode) -> BoxFuture<'a, Result<Option<StoredDiscount>, StoreError>> {
        Box::pin(async move {
            let stored = self.state.get(&keys::discount(code), Consistency::Strong).await?;
            let stored: Option<StoredDiscount> = stored.map(from_item).transpose()?;
            Ok(stored.map(|stored| StoredDiscount { code: Some(code.clone()), ..stored }))
        })
    }

    /// Puts a discount in place of the stored one, or a new one; its uses stay counted.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another was written in between.
    pub fn put<'a>(
        &'a self,
        code: &'a DiscountCode,
        discount: &'a Discount,
        stored: Option<&'a StoredDiscount>,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        Box::pin(async move {
            let version = Version(self.ids.fresh());
            let described = serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(discount);
            let described = described.map_err(|error| StoreError::corrupt(code.as_str(), error))?;
            let mut changes = Changes::default();
            changes.set(VERSION, AttributeValue::S(version.0.clone()));
            changes.set(DISCOUNT, described);
            changes.set_if_absent(USES, AttributeValue::N("0".to_owned()));
            let condition = Condition::unchanged(stored.map(|stored| stored.version.0.clone()));
            let mut transaction = Transaction::new(self.state.client.clone());
            transaction.update(&self.state.name, &keys::discount(code), changes, Some(condition))?;
            transaction.commit().await?;
            Ok(version)
        })
    }
}
