//! Keys of payments.

use super::Key;
use domain::id::PaymentId;
use domain::payment::PaymentStatus;
use domain::purchase::Buyer;
use domain::time::Time;

/// A payment.
#[must_use]
pub fn payment(id: &PaymentId) -> Key {
    Key { pk: format!("PAYMENT#{id}"), sk: "DOC".to_owned() }
}

/// The partition of payments of a status: a buyer's, or all.
#[must_use]
pub fn payments(of: Option<&Buyer>, status: PaymentStatus) -> String {
    let status = status.to_string().to_ascii_uppercase();
    of.map_or_else(|| format!("PAYMENTS#{status}"), |buyer| format!("PAYMENTS#{buyer}#{status}"))
}

/// A payment, listed by status.
#[must_use]
pub fn listed_payment(of: Option<&Buyer>, status: PaymentStatus, received: Time, id: &PaymentId) -> Key {
    Key { pk: payments(of, status), sk: format!("{received}#{id}") }
}
