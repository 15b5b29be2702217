//! Keys of audits.

use super::{CONTRIBUTIONS, Key, TOTAL, lane};
use domain::calendar::Period;
use domain::id::AuditId;
use domain::purchase::Buyer;
use domain::time::Time;

/// The progress of an audit.
#[must_use]
pub fn audit(id: &AuditId) -> Key {
    Key { pk: format!("AUDIT#{id}"), sk: TOTAL.to_owned() }
}

/// In how many lanes the changes of a day are listed. A lane takes some 500 changes a second, for they are part of transactions.
pub const CHANGE_LANES: u8 = 8;

/// The lane in which the changes of a buyer's purchases are listed.
#[must_use]
pub fn change_lane(buyer: &Buyer) -> u8 {
    lane(&buyer.to_string()) % CHANGE_LANES
}

/// The partition of the changes of a day in a lane.
#[must_use]
pub fn changes(day: &Period, lane: u8) -> String {
    format!("CHANGES#{day}#{lane:02}")
}

/// A change of a ledger item on a day. The changes of one hour of an item's sales are adjacent.
#[must_use]
pub fn change(day: &Period, lane: u8, written: &Key) -> Key {
    Key { pk: changes(day, lane), sk: format!("{}/{}", written.pk, written.sk) }
}

/// The item of the ledger that was written, by the sort key of the change.
#[must_use]
pub fn parse_change(sk: &str) -> Option<Key> {
    let (pk, sk) = sk.split_once('/')?;
    Some(Key { pk: pk.to_owned(), sk: sk.to_owned() })
}

/// The contribution of an audit task to its audit.
#[must_use]
pub fn audited(id: &AuditId, leg: &str) -> Key {
    Key { pk: format!("AUDIT#{id}"), sk: format!("{CONTRIBUTIONS}{leg}") }
}

/// Something that an audit found.
#[must_use]
pub fn finding(id: &AuditId, kind: &str, subject: &str) -> Key {
    Key { pk: format!("AUDIT#{id}"), sk: format!("{FINDINGS}{kind}#{subject}") }
}

/// The prefix of the sort keys of findings.
pub const FINDINGS: &str = "F#";

/// The partition of all audits.
pub const AUDITS: &str = "AUDITS";

/// An audit among all.
#[must_use]
pub fn audit_of(at: Time, id: &AuditId) -> Key {
    Key { pk: AUDITS.to_owned(), sk: format!("{at}#{id}") }
}
