//! Payments: a buyer reports a payment of a purchase, an admin approves it.
//!
//! A payment ends with its purchase: it is approved in the moment in which the purchase is completed, and cancelled in the
//! moment in which the purchase is cancelled.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caller::Caller;
use super::id::{PaymentId, PurchaseId, UserId};
use super::live::Channel;
use super::money::Currency;
use super::purchase::{Buyer, Item, Paid, Purchase, Status};
use super::string_enum::string_enum;
use super::time::Time;
use super::validation::{InvalidField, object};

string_enum! {
    /// The status of a payment.
    PaymentStatus {
        /// The payment waits for approval.
        Received = "received",
        /// The payment was approved and its purchase completed.
        Approved = "approved",
        /// The payment was cancelled with its purchase.
        Cancelled = "cancelled",
    }
}

/// A payment of a purchase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// The id.
    pub id: PaymentId,
    /// The purchase.
    pub purchase: PurchaseId,
    /// The buyer.
    pub buyer: Buyer,
    /// The item.
    #[serde(flatten)]
    pub item: Item,
    /// The amount, in minor units; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// In which currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// The status.
    pub status: PaymentStatus,
    /// Since when it is known.
    pub received_at: Time,
    /// When it was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Time>,
    /// When it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_at: Option<Time>,
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
            cancelled_at: None,
        }
    }

    /// The payment after its purchase has this state. A settled payment never changes.
    #[must_use]
    pub fn settled(&self, purchase: &Purchase) -> Self {
        let (status, approved_at, cancelled_at) = match (self.status, purchase.status) {
            (PaymentStatus::Approved | PaymentStatus::Cancelled, _) | (_, Status::Pending) => return self.clone(),
            (_, Status::Completed | Status::Refunded) => (PaymentStatus::Approved, purchase.completed_at, None),
            (_, Status::Cancelled) => (PaymentStatus::Cancelled, None, purchase.ended_at),
        };
        Self { status, approved_at, cancelled_at, ..self.clone() }
    }

    /// The channels that receive the change: the admins', the buyer's if the buyer has an account, and the buyer's
    /// dashboard once it is approved.
    #[must_use]
    pub fn channels(&self) -> Vec<Channel> {
        let user = self.buyer.user();
        let own = user.map(|user| Channel::User(user.clone()));
        let is_approved = self.status == PaymentStatus::Approved;
        let dashboard = user.filter(|_| is_approved).map(|user| Channel::StudentDashboard(user.clone()));
        own.into_iter().chain(dashboard).chain([Channel::AdminDashboard]).collect()
    }
}

/// The purchase whose payment is reported.
///
/// # Errors
/// If it is missing or wrong.
pub fn paid_for(body: &Value) -> Result<PurchaseId, Vec<InvalidField>> {
    let (fields, mut violations) = object(body, &["purchaseId"])?;
    let purchase = violations.keep(fields.required("purchaseId"));
    violations.finish(purchase)
}

/// Whether `caller` may report a payment of a buyer.
#[must_use]
pub fn may_pay(caller: &Caller, buyer: &Buyer) -> bool {
    let is_own = |user: &UserId| caller.user() == Some(user);
    caller.is_admin() || buyer.user().is_some_and(is_own)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn payment_is_settled_at_the_time_of_its_purchase() {
        let purchase: Purchase = serde_json::from_value(json!({
            "id": "p", "buyer": "u:sam", "itemType": "course", "itemId": "c", "quantity": 1, "paymentMethod": "card",
            "status": "pending", "purchasedAt": "2026-01-31T12:00:00Z",
        }))
        .unwrap();
        let [received, end, later] =
            ["2026-01-31T12:00:01Z", "2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z"].map(|at| at.parse().unwrap());
        let payment = Payment::of(&purchase, received);
        assert_eq!(payment.settled(&purchase), payment);
        let completed = purchase.complete(end).unwrap();
        let approved = payment.settled(&completed);
        assert_eq!((approved.status, approved.approved_at), (PaymentStatus::Approved, completed.completed_at));
        let refunded = completed.refund(None, later).unwrap().purchase;
        assert_eq!((payment.settled(&refunded), approved.settled(&refunded)), (approved.clone(), approved));
        let cancelled = purchase.refund(None, end).unwrap().purchase;
        let ended = payment.settled(&cancelled);
        assert_eq!((ended.status, ended.cancelled_at), (PaymentStatus::Cancelled, Some(end)));
    }
}
