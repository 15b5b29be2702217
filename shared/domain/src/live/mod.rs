//! Live updates of open pages: events on channels.

mod channel;
mod signing;
mod subject;

use serde_json::{Value, json};

use super::string_enum::string_enum;
use super::time::Time;

pub use channel::{Audience, Channel, InvalidChannel, MAX_NAME, RESERVED_FOR_COURSES};
pub use signing::{Credentials, InvalidSocketId, SocketId};
pub use subject::{InvalidSubject, Subject};

string_enum! {
    /// The name of an event.
    LiveEventName {
        /// A dashboard has changed and must be reloaded.
        DashboardUpdate = "dashboard-update",
        /// Figures have changed.
        StatsUpdate = "stats-update",
        /// A student enrolled.
        NewEnrollment = "new-enrollment",
        /// An enrollment has changed.
        EnrollmentUpdate = "enrollment-update",
        /// A payment waits for approval.
        PaymentReceived = "payment-received",
        /// A payment was approved.
        PaymentApproved = "payment-approved",
        /// A score was given.
        NewScore = "new-score",
        /// A score has changed.
        ScoreUpdate = "score-update",
        /// Attendance was recorded.
        AttendanceMarked = "attendance-marked",
        /// A user has a notification.
        NewNotification = "new-notification",
        /// Something is announced.
        Announcement = "announcement",
        /// A board has changed.
        LeaderboardUpdate = "leaderboard-update",
        /// A purchase was completed.
        PurchaseCompleted = "purchase-completed",
        /// A purchase was given back, or a part of it.
        PurchaseRefunded = "purchase-refunded",
    }
}

/// The largest data of an event, in bytes: servers of channels take 10 kB, however they count a kilobyte.
const MAX_DATA: usize = 10_000;

/// An event on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveEvent {
    /// The channel.
    pub channel: Channel,
    /// The name.
    pub name: LiveEventName,
    /// The id, the same on each delivery, so that clients can drop repetitions.
    pub id: String,
    /// When it happened.
    pub time: Time,
    /// The content that a page needs to show the event: an object.
    pub body: Value,
}

impl LiveEvent {
    /// The same event on each of these channels: the present state of a resource, under its name.
    #[must_use]
    pub fn on(
        channels: impl IntoIterator<Item = Channel>,
        name: LiveEventName,
        (id, time): (&str, Time),
        (thing, is): (&str, &Value),
    ) -> Vec<Self> {
        let event = |channel| Self { channel, name, id: id.to_owned(), time, body: json!({(thing): is}) };
        channels.into_iter().map(event).collect()
    }

    /// The message: the body with id and time. Channel servers reject large messages, so the largest parts of the
    /// resource are left out until it fits; `leftOut` names them.
    #[must_use]
    pub fn data(&self) -> Value {
        let mut data = json!({"id": self.id, "timestamp": self.time});
        if let (Some(data), Some(body)) = (data.as_object_mut(), self.body.as_object()) {
            for (name, value) in body {
                data.entry(name).or_insert_with(|| value.clone());
            }
        }
        let mut left_out = Vec::new();
        while data.to_string().len() > MAX_DATA
            && let Some((thing, part)) = largest(&data)
        {
            if let Some(thing) = data.get_mut(&thing).and_then(Value::as_object_mut) {
                thing.remove(&part);
            }
            left_out.push(format!("{thing}.{part}"));
            if let Some(data) = data.as_object_mut() {
                data.insert("leftOut".to_owned(), json!(left_out));
            }
        }
        data
    }
}

/// The largest part of the resource of an event, by the names of both.
fn largest(data: &Value) -> Option<(String, String)> {
    let things = data.as_object().into_iter().flatten();
    let parts = things.flat_map(|(thing, is)| {
        let parts = is.as_object().into_iter().flatten();
        parts.map(move |(part, value)| (value.to_string().len(), thing, part))
    });
    parts.max().map(|(_, thing, part)| (thing.clone(), part.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oversized_parts_are_left_out_and_named() {
        let told = |words: usize| {
            let metadata: serde_json::Map<String, Value> =
                (0..words).map(|n| (format!("k{n}"), json!("漢".repeat(200)))).collect();
            let purchase = json!({"purchaseId": "p", "metadata": metadata});
            let (id, time) = ("e", "2026-01-31T09:30:00Z".parse().unwrap());
            let thing = ("purchase", &purchase);
            let events = LiveEvent::on([Channel::AdminDashboard], LiveEventName::PurchaseCompleted, (id, time), thing);
            events.first().unwrap().data()
        };
        let small = told(3);
        assert_eq!((small["purchase"]["metadata"].as_object().unwrap().len(), &small["leftOut"]), (3, &Value::Null));
        let large = told(20);
        assert_eq!(large["purchase"], json!({"purchaseId": "p"}));
        assert_eq!(large["leftOut"], json!(["purchase.metadata"]));
    }
}
