//! Orders: requests to buy an item, or to record a purchase.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Approval, Buyer, Item, Paid, Purchase, Status, Terms};
use crate::caller::Caller;
use crate::discount::{Discount, DiscountRejection};
use crate::event_time::MAX_AHEAD;
use crate::id::{DiscountCode, GuestId, PaymentMethod, PurchaseId, UserId};
use crate::money::{Currency, MAX_AMOUNT};
use crate::rejection::Rejection;
use crate::time::Time;
use crate::validation::{Fields, InvalidField, Violations, object};

/// The most of an item that one purchase is of.
const MAX_QUANTITY: u64 = 1_000_000;

/// The longest variant, and the longest name and value in the metadata, in characters.
const MAX_WORD: usize = 200;

/// The most metadata entries of a purchase.
const MAX_METADATA: usize = 20;

/// The most bytes of metadata as JSON in UTF-8, without white space. It fits into a request body however its characters
/// are escaped, and into the message of a channel.
const MAX_METADATA_BYTES: usize = 4_096;

/// The fields of an order.
const FIELDS: &[&str] = &[
    "itemType",
    "itemId",
    "amount",
    "currency",
    "paymentMethod",
    "discountCode",
    "variant",
    "metadata",
    "status",
    "userId",
    "guestId",
    "purchasedAt",
    "quantity",
];

/// An order as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The item.
    pub item: Item,
    /// With which discount.
    pub discount_code: Option<DiscountCode>,
    price: Option<(u64, Currency)>,
    payment_method: PaymentMethod,
    variant: Option<String>,
    metadata: BTreeMap<String, String>,
    is_pending: bool,
    user: Option<UserId>,
    guest: Option<GuestId>,
    purchased_at: Option<Time>,
    quantity: Option<u64>,
}

/// The order is for another buyer, or has a field that only an admin may set.
pub(super) const ONLY_ADMINS: Rejection = Rejection::Forbidden(
    "only an admin may name another buyer, set purchasedAt or refundedAt, order more than 1, or leave the amount null",
);

impl Order {
    /// Reads an order.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, FIELDS)?;
        let kind = violations.keep(fields.required("itemType"));
        let id = violations.keep(fields.required("itemId"));
        let price = violations.keep_all(price(fields));
        let payment_method = violations.keep(fields.required("paymentMethod"));
        let discount_code = violations.keep(fields.parsed("discountCode"));
        let variant = violations.keep(word(fields, "variant"));
        let metadata = violations.keep(metadata(fields));
        let status = violations.keep(status(fields));
        let user = violations.keep(fields.parsed("userId"));
        let guest = violations.keep(fields.parsed("guestId"));
        let purchased_at = violations.keep(fields.time("purchasedAt"));
        let quantity = violations.keep(quantity(fields));
        let read = (kind, id, price, payment_method, discount_code, variant, metadata, status);
        let of_admins = (user, guest, purchased_at, quantity);
        let order = match (read, of_admins) {
            (
                (
                    Some(kind),
                    Some(id),
                    Some(price),
                    Some(payment_method),
                    Some(discount_code),
                    Some(variant),
                    Some(metadata),
                    Some(status),
                ),
                (Some(user), Some(guest), Some(purchased_at), Some(quantity)),
            ) => Some(Self {
                item: Item { kind, id },
                discount_code,
                price,
                payment_method,
                variant,
                metadata,
                is_pending: status == Some(Status::Pending),
                user,
                guest,
                purchased_at,
                quantity,
            }),
            _ => None,
        };
        violations.finish(order)
    }

    /// The price before any discount, if it is known.
    #[must_use]
    pub fn price(&self) -> Option<(u64, Currency)> {
        self.price
    }

    /// The quantity.
    #[must_use]
    pub fn quantity(&self) -> u64 {
        self.quantity.unwrap_or(1)
    }

    /// The purchase that this order creates. `discount` is the discount of its code, `None` if there is none. If the
    /// terms require approval, the purchase of any caller but an admin is pending.
    ///
    /// # Errors
    /// If the caller may not order this, or the discount does not apply.
    pub fn apply(
        &self,
        id: PurchaseId,
        caller: &Caller,
        discount: Option<&Discount>,
        terms: &Terms,
        now: Time,
    ) -> Result<Purchase, Rejection> {
        let buyer = self.buyer(caller)?;
        terms.check(&self.payment_method, self.price.as_ref().map(|(_, currency)| currency))?;
        let purchased_at = self.purchased_at.unwrap_or(now);
        if purchased_at.since(now) > MAX_AHEAD {
            return Err(InvalidField::new("purchasedAt", "must not be in the future").into());
        }
        let rejected = |reason: DiscountRejection| reason.told_to(caller);
        let reduction = match (&self.discount_code, self.price) {
            (None, _) => 0,
            (Some(_), None) => return Err(InvalidField::new("discountCode", "requires an amount").into()),
            (Some(_), Some((price, currency))) => {
                let discount = discount.ok_or_else(|| rejected(DiscountRejection::Unknown))?;
                // An order is judged by its own date: what an admin brings in had the discounts of then.
                discount.reduction(price, currency, purchased_at).map_err(rejected)?
            }
        };
        let is_pending = self.is_pending || (terms.approval == Approval::Needed && !caller.is_admin());
        let paid = self.price.map(|(listed, currency)| Paid { listed, discount: reduction, refunded: 0, currency });
        Ok(Purchase {
            id,
            buyer,
            item: self.item.clone(),
            quantity: self.quantity(),
            paid,
            payment_method: self.payment_method.clone(),
            discount_code: self.discount_code.clone(),
            variant: self.variant.clone(),
            metadata: self.metadata.clone(),
            status: if is_pending { Status::Pending } else { Status::Completed },
            purchased_at,
            completed_at: (!is_pending).then_some(purchased_at),
            refunded_at: None,
            ended_by: None,
            ended_at: None,
        })
    }

    /// The buyer.
    ///
    /// # Errors
    /// If the caller may not order for this buyer.
    pub fn buyer(&self, caller: &Caller) -> Result<Buyer, Rejection> {
        let own = caller.user().ok_or(ONLY_ADMINS)?;
        if caller.is_admin() {
            return match (&self.user, &self.guest) {
                (Some(_), Some(_)) => Err(InvalidField::new("guestId", "must not be given with userId").into()),
                (_, Some(guest)) => Ok(Buyer::Guest(guest.clone())),
                (user, None) => Ok(Buyer::User(user.as_ref().unwrap_or(own).clone())),
            };
        }
        let says_more = self.guest.is_some() || self.purchased_at.is_some() || self.quantity() != 1;
        if says_more || self.price.is_none() || self.user.as_ref().is_some_and(|user| user != own) {
            return Err(ONLY_ADMINS);
        }
        Ok(Buyer::User(own.clone()))
    }
}

/// The price, or an unknown one: `"amount": null`.
fn price(fields: Fields<'_>) -> Result<Option<(u64, Currency)>, Vec<InvalidField>> {
    if fields.is_null("amount") {
        return Ok(None);
    }
    let mut violations = Violations::default();
    let amount = fields.whole("amount", MAX_AMOUNT);
    let amount =
        violations.keep(amount.and_then(|amount| amount.ok_or_else(|| InvalidField::new("amount", "is required"))));
    let currency = violations.keep(fields.required("currency"));
    violations.finish(amount.zip(currency).map(Some))
}

fn status(fields: Fields<'_>) -> Result<Option<Status>, InvalidField> {
    match fields.parsed("status")? {
        Some(Status::Refunded | Status::Cancelled) => Err(InvalidField::new("status", "must be pending or completed")),
        status => Ok(status),
    }
}

fn quantity(fields: Fields<'_>) -> Result<Option<u64>, InvalidField> {
    match fields.whole("quantity", MAX_QUANTITY)? {
        Some(0) => Err(InvalidField::new("quantity", "must be greater than 0")),
        quantity => Ok(quantity),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= MAX_WORD && !text.chars().any(char::is_control)
}

fn word(fields: Fields<'_>, field: &'static str) -> Result<Option<String>, InvalidField> {
    let Some(text) = fields.text(field)? else { return Ok(None) };
    if is_word(text) {
        return Ok(Some(text.to_owned()));
    }
    Err(InvalidField::new(field, format!("must have 1 to {MAX_WORD} characters without control characters")))
}

fn metadata(fields: Fields<'_>) -> Result<BTreeMap<String, String>, InvalidField> {
    let invalid = || {
        let rule = format!(
            "must be an object of at most {MAX_METADATA} strings, each with 1 to {MAX_WORD} characters, and have at most \
             {MAX_METADATA_BYTES} bytes as JSON"
        );
        InvalidField::new("metadata", rule)
    };
    let Some(object) = fields.object("metadata")? else { return Ok(BTreeMap::new()) };
    if object.len() > MAX_METADATA || Value::Object(object.clone()).to_string().len() > MAX_METADATA_BYTES {
        return Err(invalid());
    }
    let entry = |(name, value): (&String, &Value)| {
        let value = value.as_str().filter(|value| is_word(value) && is_word(name)).ok_or_else(invalid)?;
        Ok((name.clone(), value.to_owned()))
    };
    object.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::caller::Role;

    fn body(patch: &Value) -> Value {
        let mut body = json!({
            "itemType": "course", "itemId": "c", "amount": 999, "currency": "USD", "paymentMethod": "credit_card",
        });
        for (field, value) in patch.as_object().unwrap() {
            body[field] = value.clone();
        }
        body
    }

    fn terms(approval: Approval) -> Terms {
        Terms { approval, currencies: "USD,EUR".parse().unwrap(), methods: "card,credit_card".parse().unwrap() }
    }

    fn now() -> Time {
        "2026-01-31T12:00:00Z".parse().unwrap()
    }

    fn applied(patch: &Value, role: Role, discount: Option<&Discount>) -> Result<Purchase, Rejection> {
        let caller = Caller::User { id: "me".parse().unwrap(), role };
        let order = Order::parse(&body(patch)).unwrap();
        order.apply("p".parse().unwrap(), &caller, discount, &terms(Approval::NotNeeded), now())
    }

    #[test]
    fn only_admin_creates_completed_purchases_where_approval_is_required() {
        let stands = |role, approval| {
            let caller = Caller::User { id: "me".parse().unwrap(), role };
            let order = Order::parse(&body(&json!({"status": "completed"}))).unwrap();
            order.apply("p".parse().unwrap(), &caller, None, &terms(approval), now()).unwrap().status
        };
        assert_eq!(stands(Role::Student, Approval::NotNeeded), Status::Completed);
        assert_eq!(stands(Role::Student, "true".parse().unwrap()), Status::Pending);
        assert_eq!(stands(Role::Admin, Approval::Needed), Status::Completed);
    }

    #[test]
    fn reports_every_invalid_field() {
        for (patch, fields) in [
            (json!({"amount": -1}), vec!["amount"]),
            (json!({"amount": 9.99}), vec!["amount"]),
            (json!({"amount": 1e18}), vec!["amount"]),
            (json!({"amount": 1_000_000_000_000_000_000_u64}), vec!["amount"]),
            (json!({"amount": "999"}), vec!["amount"]),
            (json!({"currency": "XYZ"}), vec!["currency"]),
            (json!({"currency": null}), vec!["currency"]),
            (json!({"itemType": "song"}), vec!["itemType"]),
            (json!({"itemType": null, "itemId": null}), vec!["itemType", "itemId"]),
            (json!({"itemId": "a b"}), vec!["itemId"]),
            (json!({"paymentMethod": "", "status": "refunded"}), vec!["paymentMethod", "status"]),
            (json!({"quantity": 0, "purchasedAt": "soon", "userId": "a b"}), vec!["userId", "purchasedAt", "quantity"]),
            (json!({"metadata": {"a": 1}, "variant": "a\u{0}"}), vec!["variant", "metadata"]),
        ] {
            let violations = Order::parse(&body(&patch)).unwrap_err();
            assert_eq!(violations.iter().map(|invalid| invalid.field.as_ref()).collect::<Vec<_>>(), fields, "{patch}");
        }
        let mut without = body(&json!({}));
        without.as_object_mut().unwrap().remove("amount");
        assert_eq!(Order::parse(&without).unwrap_err().first().unwrap().field, "amount");
    }

    #[test]
    fn explicit_defaults_equal_absent_fields() {
        for patch in [json!({"status": "completed"}), json!({"quantity": 1}), json!({"quantity": null, "userId": "me"})]
        {
            assert_eq!(applied(&patch, Role::Student, None), applied(&json!({}), Role::Student, None), "{patch}");
        }
    }

    #[test]
    fn only_admin_sets_buyer_time_quantity_and_unknown_price() {
        for patch in [
            json!({"userId": "you"}),
            json!({"guestId": "g"}),
            json!({"purchasedAt": "2025-01-01T00:00:00Z"}),
            json!({"quantity": 2}),
            json!({"amount": null}),
        ] {
            assert_eq!(applied(&patch, Role::Student, None), Err(ONLY_ADMINS), "{patch}");
            assert!(applied(&patch, Role::Admin, None).is_ok(), "{patch}");
        }
        assert_eq!(applied(&json!({"userId": "me"}), Role::Student, None).unwrap().buyer.to_string(), "u:me");
        assert_eq!(applied(&json!({"guestId": "g"}), Role::Admin, None).unwrap().buyer.to_string(), "g:g");
        assert_eq!(applied(&json!({}), Role::Admin, None).unwrap().buyer.to_string(), "u:me");
        assert!(matches!(
            applied(&json!({"guestId": "g", "userId": "u"}), Role::Admin, None),
            Err(Rejection::Invalid(_))
        ));
        let later = json!({"purchasedAt": "2026-01-31T12:06:00Z"});
        assert!(matches!(applied(&later, Role::Admin, None), Err(Rejection::Invalid(_))));
    }

    #[test]
    fn order_with_inapplicable_discount_is_rejected() {
        let half = Discount::parse(&json!({"type": "percent", "percent": 50})).unwrap();
        let coded = json!({"discountCode": "HALF"});
        let paid = applied(&coded, Role::Student, Some(&half)).unwrap().paid.unwrap();
        assert_eq!((paid.listed, paid.discount, paid.amount()), (999, 500, 499));
        let refused = |applied: Result<Purchase, Rejection>| match applied {
            Err(Rejection::Invalid(invalid)) => invalid.field.into_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(applied(&coded, Role::Student, None)), "discountCode");
        let free = json!({"discountCode": "HALF", "amount": null});
        assert_eq!(refused(applied(&free, Role::Admin, Some(&half))), "discountCode");
        assert_eq!(applied(&json!({}), Role::Student, Some(&half)).unwrap().paid.unwrap().discount, 0);
    }
}
