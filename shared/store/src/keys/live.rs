//! Keys of the outbox and of inboxes.

use super::{ForeignKey, Key};
use domain::id::{NotificationId, UserId};
use domain::live::{Channel, LiveEvent};
use domain::time::Time;

/// The prefix of the outbox's partitions; the channel's name follows.
pub const OUTBOX: &str = "CHANNEL#";

/// The partition of a channel's events.
#[must_use]
pub fn outbox(channel: &Channel) -> String {
    format!("{OUTBOX}{channel}")
}

/// An event of a channel.
#[must_use]
pub fn live_event(event: &LiveEvent) -> Key {
    Key { pk: outbox(&event.channel), sk: format!("{}#{}#{}", event.time, event.name, event.id) }
}

/// The channel of a key of the outbox.
///
/// # Errors
/// If it is of none.
pub fn parse_outbox(pk: &str) -> Result<Channel, ForeignKey> {
    pk.strip_prefix(OUTBOX).and_then(|name| name.parse().ok()).ok_or(ForeignKey)
}

/// An event that will never be sent.
#[must_use]
pub fn set_aside(event: &Key) -> Key {
    Key { pk: format!("ASIDE#{}", event.pk), sk: event.sk.clone() }
}

/// The second of the stats that were last published on a channel.
#[must_use]
pub fn published_second(channel: &Channel) -> Key {
    Key { pk: format!("TOLD#{channel}"), sk: "LAST".to_owned() }
}

/// The partition of a user's inbox.
#[must_use]
pub fn inbox(of: &UserId) -> String {
    format!("INBOX#{of}")
}

/// The recipient of a notification.
#[must_use]
pub fn notification(id: &NotificationId) -> Key {
    Key { pk: format!("NOTIFICATION#{id}"), sk: "TO".to_owned() }
}

/// The prefix of the sort keys of notifications, in the order of their times.
pub const RECEIVED: &str = "AT#";

/// A notification, by its time.
#[must_use]
pub fn received(of: &UserId, at: Time, id: &NotificationId) -> Key {
    Key { pk: inbox(of), sk: format!("{RECEIVED}{at}#{id}") }
}

/// The number of unread notifications of a user.
#[must_use]
pub fn unread(of: &UserId) -> Key {
    Key { pk: inbox(of), sk: "UNREAD".to_owned() }
}
