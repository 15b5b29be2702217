//! Keys of audits.

use super::{CONTRIBUTIONS, Key, TOTAL};
use crate::domain::id::AuditId;
use crate::domain::time::Time;

/// How an audit goes.
#[must_use]
pub fn audit(id: &AuditId) -> Key {
    Key { pk: format!("AUDIT#{id}"), sk: TOTAL.to_owned() }
}

/// What a leg of an audit contributes to that.
#[must_use]
pub fn audited(id: &AuditId, leg: &str) -> Key {
    Key { pk: format!("AUDIT#{id}"), sk: format!("{CONTRIBUTIONS}{leg}") }
}

/// Something that an audit found.
#[must_use]
pub fn finding(id: &AuditId, kind: &str, subject: &str) -> Key {
    Key { pk: format!("AUDIT#{id}"), sk: format!("{FINDINGS}{kind}#{subject}") }
}

/// What the sort keys of what an audit found begin with.
pub const FINDINGS: &str = "F#";

/// The partition of all audits.
pub const AUDITS: &str = "AUDITS";

/// An audit among all.
#[must_use]
pub fn audit_of(at: Time, id: &AuditId) -> Key {
    Key { pk: AUDITS.to_owned(), sk: format!("{at}#{id}") }
}
