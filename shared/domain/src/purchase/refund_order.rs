//! Refund orders: requests to refund a purchase, or to record a refund.

use serde_json::Value;

use super::Purchase;
use super::order::ONLY_ADMINS;
use crate::caller::Caller;
use crate::event_time::MAX_AHEAD;
use crate::money::MAX_AMOUNT;
use crate::rejection::Rejection;
use crate::time::Time;
use crate::validation::{InvalidField, object};

/// A refund of a purchase; by default of all that is left, and now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RefundOrder {
    /// The amount, in minor units; `None` for all that is left.
    pub amount: Option<u64>,
    at: Option<Time>,
}

impl RefundOrder {
    /// Reads an order.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, &["amount", "refundedAt"])?;
        let amount = violations.keep(fields.whole("amount", MAX_AMOUNT));
        let at = violations.keep(fields.time("refundedAt"));
        violations.finish(amount.zip(at).map(|(amount, at)| Self { amount, at }))
    }

    /// The time of the refund: now, unless an admin states an earlier one.
    ///
    /// # Errors
    /// If the caller may not state a time, or the time is impossible.
    pub fn at(&self, caller: &Caller, purchase: &Purchase, now: Time) -> Result<Time, Rejection> {
        let Some(at) = self.at else { return Ok(now) };
        if !caller.is_admin() {
            return Err(ONLY_ADMINS);
        }
        if at.since(now) > MAX_AHEAD {
            return Err(InvalidField::new("refundedAt", "must not be in the future").into());
        }
        if purchase.completed_at.is_none_or(|paid| at < paid) {
            return Err(InvalidField::new("refundedAt", "must not be before the purchase was paid").into());
        }
        Ok(at)
    }
}
