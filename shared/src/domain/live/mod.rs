//! What open pages are told at once: events on channels.

mod channel;
mod signing;
mod subject;

use serde_json::{Value, json};

use super::time::Time;
use super::words::words;

pub use channel::{Audience, Channel, InvalidChannel, MAX_NAME, RESERVED_FOR_COURSES};
pub use signing::{Credentials, InvalidSocketId, SocketId};
pub use subject::{InvalidSubject, Subject};

words! {
    /// What an event tells.
    LiveEventName {
        /// A dashboard has changed, and is to be asked for again.
        DashboardUpdate = "dashboard-update",
        /// Numbers have changed.
        StatsUpdate = "stats-update",
        /// Somebody enrolled.
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
        /// It was noted whether somebody attended.
        AttendanceMarked = "attendance-marked",
        /// Somebody has a notification.
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

/// An event on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveEvent {
    /// Where.
    pub channel: Channel,
    /// What it tells.
    pub name: LiveEventName,
    /// Its id, the same however often it is sent: who knows it drops it.
    pub id: String,
    /// When it happened.
    pub time: Time,
    /// What a page needs to show it without asking again: an object.
    pub body: Value,
}

impl LiveEvent {
    /// The same event on each of these channels: it tells what a thing, under its name, is now.
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

    /// What is sent: the body with id and time.
    #[must_use]
    pub fn data(&self) -> Value {
        let mut data = json!({"id": self.id, "timestamp": self.time});
        if let (Some(data), Some(body)) = (data.as_object_mut(), self.body.as_object()) {
            for (name, value) in body {
                data.entry(name).or_insert_with(|| value.clone());
            }
        }
        data
    }
}
