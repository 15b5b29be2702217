//! Purchases and their statuses.

mod order;
mod refund_order;
mod terms;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::id::{DiscountCode, GuestId, InvalidId, ItemId, PaymentMethod, PurchaseId, UserId};
use super::money::Currency;
use super::rejection::Rejection;
use super::string_enum::string_enum;
use super::time::Time;
use super::validation::InvalidField;

pub use order::Order;
pub use refund_order::RefundOrder;
pub use terms::{Accepted, Approval, MAX_ACCEPTED, Terms};

string_enum! {
    /// The kind of an item.
    ItemType {
        /// A course.
        Course = "course",
        /// A test.
        Test = "test",
        /// A package of quizzes.
        Package = "package",
        /// A seller's product.
        Product = "product",
    }

    /// The status of a purchase.
    Status {
        /// The payment waits for approval.
        Pending = "pending",
        /// The purchase was paid, and possibly refunded in part.
        Completed = "completed",
        /// All of it was given back.
        Refunded = "refunded",
        /// The purchase was cancelled before it was paid.
        Cancelled = "cancelled",
    }
}

impl ItemType {
    /// Whether a buyer can own only one of it, so that a second purchase is rejected. Products can be bought
    /// repeatedly.
    #[must_use]
    pub fn is_single_ownership(self) -> bool {
        self != Self::Product
    }
}

/// A purchased item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The item type.
    #[serde(rename = "itemType")]
    pub kind: ItemType,
    /// The id.
    #[serde(rename = "itemId")]
    pub id: ItemId,
}

/// A buyer. Shown as `u:<id>` or `g:<id>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Buyer {
    /// A user with an account.
    User(UserId),
    /// A guest.
    Guest(GuestId),
}

impl Buyer {
    /// The user, if the buyer has an account.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User(id) => Some(id),
            Self::Guest(_) => None,
        }
    }

    /// The guest, if it is one.
    #[must_use]
    pub fn guest(&self) -> Option<&GuestId> {
        match self {
            Self::User(_) => None,
            Self::Guest(id) => Some(id),
        }
    }
}

impl fmt::Display for Buyer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "u:{id}"),
            Self::Guest(id) => write!(f, "g:{id}"),
        }
    }
}

impl FromStr for Buyer {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.split_once(':') {
            Some(("u", id)) => id.parse().map(Self::User),
            Some(("g", id)) => id.parse().map(Self::Guest),
            _ => Err(InvalidId),
        }
    }
}

impl TryFrom<String> for Buyer {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Buyer> for String {
    fn from(buyer: Buyer) -> Self {
        buyer.to_string()
    }
}

/// An amount paid, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Paid {
    /// The price before the discount.
    pub listed: u64,
    /// The discount; at most the price.
    #[serde(default)]
    pub discount: u64,
    /// The refunded amount; at most the amount paid.
    #[serde(default)]
    pub refunded: u64,
    /// In which currency.
    pub currency: Currency,
}

impl Paid {
    /// The amount paid: the price less the discount.
    #[must_use]
    pub fn amount(&self) -> u64 {
        self.listed.saturating_sub(self.discount)
    }

    /// The amount that can still be refunded.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.amount().saturating_sub(self.refunded)
    }
}

/// A purchase. It is never deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Purchase {
    /// The id.
    pub id: PurchaseId,
    /// The buyer.
    pub buyer: Buyer,
    /// The item.
    #[serde(flatten)]
    pub item: Item,
    /// The quantity; the amount paid covers all of it.
    pub quantity: u64,
    /// The amount paid; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid: Option<Paid>,
    /// The payment method.
    pub payment_method: PaymentMethod,
    /// With which discount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount_code: Option<DiscountCode>,
    /// The variant of the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Metadata of the buyer's client.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The status.
    pub status: Status,
    /// When it was made.
    pub purchased_at: Time,
    /// When it was paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// The time of the last partial refund, in stated time and not in order of arrival.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded_at: Option<Time>,
    /// The stated time of the refund that ended the purchase, which is in the key of its fact. If absent, it is
    /// `ended_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<Time>,
    /// When the last of it was given back, or it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
}

/// The change of a purchase that is refunded or cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// When.
    pub at: Time,
    /// The purchase as it is then.
    pub purchase: Purchase,
    /// The refunded amount, in minor units; `None` if the price is unknown or the purchase was never paid.
    pub amount: Option<u64>,
}

fn too_much(left: u64) -> InvalidField {
    InvalidField::new("amount", format!("must be from 1 to {left}, the amount that is not refunded yet"))
}

fn unknown_price() -> InvalidField {
    InvalidField::new("amount", "must be left out: the amount paid is unknown, so only a full refund is possible")
}

impl Purchase {
    /// The rejection of a change that the status of the purchase does not allow.
    #[must_use]
    pub fn conflict(&self) -> Rejection {
        Rejection::ConflictingState(format!("the purchase is {}", self.status))
    }

    /// The purchase after its payment was approved.
    ///
    /// # Errors
    /// If it does not wait for that.
    pub fn complete(&self, now: Time) -> Result<Self, Rejection> {
        match self.status {
            Status::Pending => Ok(Self { status: Status::Completed, completed_at: Some(now), ..self.clone() }),
            _ => Err(self.conflict()),
        }
    }

    /// The purchase after a refund of `amount`, or of all that is left. An unpaid purchase is cancelled.
    ///
    /// # Errors
    /// If there is nothing, or not so much, to be given back.
    pub fn refund(&self, amount: Option<u64>, now: Time) -> Result<Refund, Rejection> {
        let refunded_at = self.refunded_at.map_or(now, |at| at.max(now));
        let ended = |status| Self { status, ended_at: Some(now), ..self.clone() };
        match (self.status, self.paid, amount) {
            (Status::Pending, _, None) => Ok(Refund { at: now, purchase: ended(Status::Cancelled), amount: None }),
            (Status::Completed, None, None) => Ok(Refund { at: now, purchase: ended(Status::Refunded), amount: None }),
            (Status::Completed, None, Some(_)) => Err(unknown_price().into()),
            (Status::Completed, Some(paid), amount) => {
                let left = paid.left();
                let amount = amount.unwrap_or(left);
                if amount > left || (amount == 0 && left > 0) {
                    return Err(too_much(left).into());
                }
                let status = if amount == left { Status::Refunded } else { Status::Completed };
                let paid = Paid { refunded: paid.refunded + amount, ..paid };
                let is_over = status == Status::Refunded;
                let (ended_at, ended_by) = (is_over.then_some(refunded_at), is_over.then_some(now));
                let refunded_at = Some(refunded_at);
                let purchase = Self { status, paid: Some(paid), refunded_at, ended_by, ended_at, ..self.clone() };
                Ok(Refund { at: now, purchase, amount: Some(amount) })
            }
            _ => Err(self.conflict()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict(status: Status) -> Rejection {
        Rejection::ConflictingState(format!("the purchase is {status}"))
    }

    fn purchase(status: Status, listed: Option<u64>) -> Purchase {
        let currency = "USD".parse().unwrap();
        let at = "2026-01-31T12:00:00Z".parse().unwrap();
        Purchase {
            id: "p".parse().unwrap(),
            buyer: "u:ann".parse().unwrap(),
            item: Item { kind: ItemType::Course, id: "c".parse().unwrap() },
            quantity: 1,
            paid: listed.map(|listed| Paid { listed, discount: 0, refunded: 0, currency }),
            payment_method: "card".parse().unwrap(),
            discount_code: None,
            variant: None,
            metadata: BTreeMap::new(),
            status,
            purchased_at: at,
            completed_at: (status == Status::Completed).then_some(at),
            refunded_at: None,
            ended_by: None,
            ended_at: None,
        }
    }

    #[test]
    fn purchase_ends_with_its_latest_refund() {
        let [early, late] = ["2026-02-01T12:00:00Z", "2026-02-05T12:00:00Z"].map(|at| at.parse().unwrap());
        let part = purchase(Status::Completed, Some(100)).refund(Some(40), late).unwrap().purchase;
        let rest = part.refund(None, early).unwrap();
        assert_eq!((rest.at, rest.purchase.ended_by, rest.purchase.ended_at), (early, Some(early), Some(late)));
    }

    #[test]
    fn refunds_never_exceed_the_amount_paid() {
        let now = "2026-02-01T12:00:00Z".parse().unwrap();
        let bought = purchase(Status::Completed, Some(100));
        let part = bought.refund(Some(40), now).unwrap();
        assert_eq!((part.purchase.status, part.amount), (Status::Completed, Some(40)));
        assert_eq!(part.purchase.refund(Some(61), now), Err(too_much(60).into()));
        assert_eq!(part.purchase.refund(Some(0), now), Err(too_much(60).into()));
        let rest = part.purchase.refund(None, now).unwrap();
        assert_eq!(
            (rest.purchase.status, rest.amount, rest.purchase.ended_at),
            (Status::Refunded, Some(60), Some(now))
        );
        assert_eq!(rest.purchase.refund(None, now), Err(conflict(Status::Refunded)));
        let gift = purchase(Status::Completed, Some(0)).refund(None, now).unwrap();
        assert_eq!((gift.purchase.status, gift.amount), (Status::Refunded, Some(0)));
    }

    #[test]
    fn unknown_price_is_refunded_only_as_a_whole() {
        let now = "2026-02-01T12:00:00Z".parse().unwrap();
        let bought = purchase(Status::Completed, None);
        assert_eq!(bought.refund(Some(1), now), Err(unknown_price().into()));
        let refund = bought.refund(None, now).unwrap();
        assert_eq!((refund.purchase.status, refund.amount), (Status::Refunded, None));
    }

    #[test]
    fn pending_purchase_is_completed_or_cancelled() {
        let now = "2026-02-01T12:00:00Z".parse().unwrap();
        let pending = purchase(Status::Pending, Some(100));
        let completed = pending.complete(now).unwrap();
        assert_eq!((completed.status, completed.completed_at), (Status::Completed, Some(now)));
        assert_eq!(completed.complete(now), Err(conflict(Status::Completed)));
        let cancelled = pending.refund(None, now).unwrap();
        assert_eq!((cancelled.purchase.status, cancelled.amount), (Status::Cancelled, None));
        assert_eq!(cancelled.purchase.complete(now), Err(conflict(Status::Cancelled)));
        assert_eq!(pending.refund(Some(5), now), Err(conflict(Status::Pending)));
    }

    #[test]
    fn buyer_round_trips_as_text() {
        for text in ["u:ann", "g:536365:x"] {
            assert_eq!(text.parse::<Buyer>().unwrap().to_string(), text);
        }
        for text in ["", "ann", "x:ann", "u:", "u:a b"] {
            assert!(text.parse::<Buyer>().is_err(), "{text}");
        }
    }
}
