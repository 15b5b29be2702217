//! The events of a request: one bad one never loses its neighbours.

use serde_json::Value;
use shared::domain::event::Event;
use shared::domain::fields::Invalid;
use shared::domain::limits::timely;
use shared::domain::time::Time;
use shared::http::Problem;

/// The most events that a request may carry.
pub(crate) const MAX_EVENTS: usize = 1000;

/// An event that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejected {
    /// Its place in the request.
    pub(crate) index: usize,
    /// Its id, as far as it has one.
    pub(crate) id: Option<String>,
    /// Which field breaks which rule.
    pub(crate) invalid: Invalid,
}

/// The events of a body: `{"events": [...]}`, or a bare array.
pub(crate) fn events(body: &Value) -> Result<&Vec<Value>, Problem> {
    let events = match body {
        Value::Object(fields) => fields.get("events").and_then(Value::as_array),
        _ => body.as_array(),
    };
    let events = events.ok_or_else(|| Invalid::new("events", "must be an array of events"))?;
    if events.is_empty() || events.len() > MAX_EVENTS {
        return Err(Invalid::new("events", format!("must be 1 to {MAX_EVENTS} events")).into());
    }
    Ok(events)
}

/// Tells good events from bad ones, each with its place.
pub(crate) fn sort(events: &[Value], now: Time, may_backfill: bool) -> (Vec<(usize, Event)>, Vec<Rejected>) {
    let (mut good, mut bad) = (Vec::with_capacity(events.len()), Vec::new());
    for (index, value) in events.iter().enumerate() {
        let event = Event::parse(value).and_then(|event| {
            timely(event.at, now, may_backfill).map_err(|untimely| Invalid::new("timestamp", untimely))?;
            Ok(event)
        });
        match event {
            Ok(event) => good.push((index, event)),
            Err(invalid) => bad.push(Rejected { index, id: id_of(value), invalid }),
        }
    }
    (good, bad)
}

/// What an event calls itself; cut, for what is no good id may be of any length.
fn id_of(event: &Value) -> Option<String> {
    Some(event.get("id")?.as_str()?.chars().take(64).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_both_shapes_and_the_right_number() {
        assert_eq!(events(&json!({"events": [1]})).unwrap().len(), 1);
        assert_eq!(events(&json!([1, 2])).unwrap().len(), 2);
        for body in [json!({}), json!([]), json!({"events": {}}), json!(null), json!("x"), Value::from(vec![1; 1001])] {
            assert!(matches!(events(&body), Err(Problem::Invalid(_))), "{body:.40}");
        }
    }

    #[test]
    fn a_bad_event_keeps_its_place_and_its_id() {
        let now: Time = "2026-01-31T09:30:00Z".parse().unwrap();
        let at = |timestamp: &str| {
            json!({
                "id": "e", "type": "download", "trackId": "t", "sessionId": "s", "timestamp": timestamp,
            })
        };
        let batch =
            [json!({"id": "x".repeat(100), "type": "play"}), at("2026-01-31T09:30:00Z"), at("2026-01-01T00:00:00Z")];
        let (good, bad) = sort(&batch, now, false);
        assert_eq!(good.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1]);
        let bad: Vec<_> =
            bad.iter().map(|bad| (bad.index, bad.id.as_ref().unwrap().len(), bad.invalid.field)).collect();
        assert_eq!(bad, [(0, 64, "id"), (2, 1, "timestamp")]);
        assert_eq!(sort(&batch, now, true).0.len(), 2);
    }
}
