//! What writers write: events put directly, stats of a second, and the events of the functions.

use std::sync::Arc;

use domain::live::{Channel, LiveEvent, LiveEventName};
use local::dynamodb::{Attribute, AttributeKind, KeySchema, StreamView, TableConfig};
use local::wire::Faults;
use runtime::context::FunctionContext;
use serde_json::{Value, json};
use store::Outbox;

use crate::support::stage::{Stage, http, invoke, person, start};

/// The table of the outbox.
pub(super) const OUTBOX: &str = "Outbox";

/// The channels. The functions write to the first two; stats go to the last.
pub(super) const CHANNELS: [&str; 4] =
    ["private-user-auth0;7", "public-announcements", "private-course-c1", "public-leaderboard"];

/// A stage with an outbox.
pub(super) fn stage() -> Stage {
    let stage = Stage::new("2026-01-31T12:00:00Z".parse().unwrap());
    let string = |name: &str| Attribute { name: name.to_owned(), kind: AttributeKind::String };
    let outbox = TableConfig {
        logical_id: OUTBOX.to_owned(),
        name: OUTBOX.to_owned(),
        attributes: ["pk", "sk"].map(string).to_vec(),
        key_schema: KeySchema { hash: "pk".to_owned(), range: Some("sk".to_owned()) },
        gsis: Vec::new(),
        lsis: Vec::new(),
        stream_view: Some(StreamView::KeysOnly),
        ttl_attribute: Some("ttl".to_owned()),
    };
    stage.database.create_tables(&[outbox]).unwrap();
    stage
}

/// What surrounds one sandbox.
pub(super) fn boot(stage: &Stage, name: &str, faults: Option<Arc<dyn Faults>>) -> FunctionContext {
    let variables = [("STATE_TABLE", "State"), ("OUTBOX_TABLE", OUTBOX)];
    let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
    FunctionContext { environment, ..stage.boot(name, faults, "UTC") }
}

/// An event on a channel.
pub(super) fn event(channel: &str, id: String, time: domain::time::Time, body: Value) -> LiveEvent {
    let channel: Channel = channel.parse().unwrap();
    LiveEvent { channel, name: LiveEventName::NewScore, id, time, body }
}

/// One thing that a writer does, and does again until it is done.
#[derive(Debug, Clone)]
pub(super) enum Action {
    /// An event without a known write.
    Put(LiveEvent),
    /// The numbers of a second.
    Numbers(LiveEvent, u64),
    /// A notification, under this key.
    Notify { key: String, message: String },
    /// An announcement, under this key.
    Announce { key: String, message: String },
}

/// An event that is known to be written: its channel, time and data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) channel: String,
    pub(super) time: String,
    pub(super) data: Value,
}

impl Known {
    fn of(channel: &str, data: Value) -> Self {
        Self { channel: channel.to_owned(), time: data["timestamp"].as_str().unwrap().to_owned(), data }
    }
}

/// What a writer is answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// It is written.
    Written(Known),
    /// These stats or later ones were published before.
    Told,
}

/// Performs an action once; `None` if it must be repeated.
pub(super) async fn act(stage: Stage, faults: Option<Arc<dyn Faults>>, name: String, action: Action) -> Option<Answer> {
    let boot = boot(&stage, &name, faults);
    let outbox = boot.open(|setup| Outbox::open(setup)).unwrap();
    let written = |event: &LiveEvent| Answer::Written(Known::of(&event.channel.to_string(), event.data()));
    let (function, channel, route, role, key, body) = match action {
        Action::Put(event) => return outbox.enqueue_event(&event).await.is_ok().then(|| written(&event)),
        Action::Numbers(event, second) => {
            let is_told = outbox.enqueue_stats(&event, second).await.ok()?;
            return Some(if is_told { written(&event) } else { Answer::Told });
        }
        Action::Notify { key, message } => {
            let body = json!({"userId": "auth0:7", "title": "t", "message": message, "type": "info"});
            (send_notification::FUNCTION, CHANNELS[0], "POST /api/notifications", "admin", key, body)
        }
        Action::Announce { key, message } => {
            let body = json!({"title": "t", "message": message, "type": "info"});
            (send_announcement::FUNCTION, CHANNELS[1], "POST /api/announcements", "admin", key, body)
        }
    };
    let mut request = http(route, &person("w", role), &json!({}), None, &body);
    request["headers"]["idempotency-key"] = json!(key);
    let answer = invoke(&*start(&boot, function), &request).await.unwrap();
    let mut told: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    let status = answer["statusCode"].as_u64().unwrap();
    assert!(matches!(status, 200..=202 | 503), "{answer}");
    if status == 503 {
        return None;
    }
    // The event of a notification has the id and the time of the notification, and no recipient.
    if let (Some(id), Some(at)) = (told.get("notificationId").cloned(), told.get("sentAt").cloned()) {
        told.as_object_mut().unwrap().remove("userId");
        (told["id"], told["timestamp"]) = (id, at);
    }
    Some(Answer::Written(Known::of(channel, told)))
}
