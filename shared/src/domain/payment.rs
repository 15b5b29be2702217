//! Payments: what somebody says they paid for a purchase, until an admin says that it came.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caller::Caller;
use super::fields::{Invalid, Wrong, object};
use super::id::{PaymentId, PurchaseId, UserId};
use super::live::Channel;
use super::money::Currency;
use super::purchase::{Buyer, Item, Paid, Purchase};
use super::time::Time;
use super::words::words;

words! {
    /// How a payment stands.
    PaymentStatus {
        /// It waits for approval.
        Received = "received",
        /// It came.
        Approved = "approved",
    }
}

/// A payment of a purchase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// Which.
    pub id: PaymentId,
    /// Of which purchase.
    pub purchase: PurchaseId,
    /// Who buys.
    pub buyer: Buyer,
    /// What.
    #[serde(flatten)]
    pub item: Item,
    /// How much, in minor units; `None` where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// In which currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// How it stands.
    pub status: PaymentStatus,
    /// Since when it is known.
    pub received_at: Time,
    /// When it was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Time>,
}

impl Payment {
    /// The payment of a purchase, which waits for approval.
    #[must_use]
    pub fn of(purchase: &Purchase, now: Time) -> Self {
        Self {
            id: purchase.id.clone().into(),
            purchase: purchase.id.clone(),
            buyer: purchase.buyer.clone(),
            item: purchase.item.clone(),
            amount: purchase.paid.as_ref().map(Paid::amount),
            currency: purchase.paid.map(|paid| paid.currency),
            status: PaymentStatus::Received,
            received_at: now,
            approved_at: None,
        }
    }

    /// The payment after it was approved.
    #[must_use]
    pub fn approve(&self, now: Time) -> Self {
        let at = now.behind(self.received_at);
        Self { status: PaymentStatus::Approved, approved_at: Some(at), ..self.clone() }
    }

    /// Where it is told: admins are, and the buyer who has an account; on their dashboard too, once it was approved.
    #[must_use]
    pub fn channels(&self) -> Vec<Channel> {
        let user = self.buyer.user();
        let own = user.map(|user| Channel::User(user.clone()));
        let is_approved = self.status == PaymentStatus::Approved;
        let dashboard = user.filter(|_| is_approved).map(|user| Channel::StudentDashboard(user.clone()));
        own.into_iter().chain(dashboard).chain([Channel::AdminDashboard]).collect()
    }
}

/// The purchase that somebody says they paid.
///
/// # Errors
/// If it is missing or wrong.
pub fn paid_for(body: &Value) -> Result<PurchaseId, Vec<Invalid>> {
    let fields = object(body)?;
    let mut wrong = Wrong::default();
    wrong.keep(fields.required("purchaseId")).ok_or_else(|| wrong.into())
}

/// Whether `caller` may say that a buyer paid.
#[must_use]
pub fn may_pay(caller: &Caller, buyer: &Buyer) -> bool {
    let is_own = |user: &UserId| caller.user() == Some(user);
    caller.is_admin() || buyer.user().is_some_and(is_own)
}
