//! The events of a request: one bad one never loses its neighbours.

use domain::event::Event;
use domain::raw_json::RawObject;
use domain::time::Time;
use domain::validation::InvalidField;
use runtime::http::Problem;
use serde_json::value::RawValue;

/// The most events that a request may carry.
pub(crate) const MAX_EVENTS: usize = 1000;

/// An event that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejected {
    /// Its place in the request.
    pub(crate) index: usize,
    /// Its id, as far as it has one.
    pub(crate) id: Option<String>,
    /// Which fields break which rules.
    pub(crate) errors: Vec<InvalidField>,
}

/// The texts of the events of a body: `{"events": [...]}`, or a bare array. Only the structure of the JSON is read here;
/// what a field holds is a matter of its event.
pub(crate) fn events(body: &str) -> Result<Vec<&RawValue>, Problem> {
    let body: &RawValue =
        serde_json::from_str(body).map_err(|error| Problem::Malformed(format!("the body is not JSON: {error}")))?;
    let list = match RawObject::parse(body.get()) {
        Some(fields) => fields.text("events"),
        None => Some(body.get()),
    };
    let events: Option<Vec<&RawValue>> = list.and_then(|list| serde_json::from_str(list).ok());
    let events = events.ok_or_else(|| InvalidField::new("events", "must be an array of events"))?;
    if events.is_empty() || events.len() > MAX_EVENTS {
        return Err(InvalidField::new("events", format!("must have 1 to {MAX_EVENTS} events")).into());
    }
    Ok(events)
}

/// Tells good events from bad ones, each with its place.
pub(crate) fn sort(events: &[&RawValue], now: Time, is_import: bool) -> (Vec<(usize, Event)>, Vec<Rejected>) {
    let (mut good, mut bad) = (Vec::with_capacity(events.len()), Vec::new());
    for (index, raw) in events.iter().enumerate() {
        let Some(object) = RawObject::parse(raw.get()) else {
            let errors = vec![InvalidField::new("event", "must be an object")];
            bad.push(Rejected { index, id: None, errors });
            continue;
        };
        match Event::read(&object, now, is_import) {
            Ok(event) => good.push((index, event)),
            Err(errors) => bad.push(Rejected { index, id: id_of(&object), errors }),
        }
    }
    (good, bad)
}

/// What an event calls itself; cut, for what is no good id may be of any length.
fn id_of(event: &RawObject<'_>) -> Option<String> {
    let id: String = serde_json::from_str(event.text("id")?).ok()?;
    Some(id.chars().take(64).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_both_shapes_and_the_right_number() {
        assert_eq!(events("{\"events\": [1]}").unwrap().len(), 1);
        assert_eq!(events(" [1, 2] ").unwrap().len(), 2);
        let many = json!(vec![1; 1001]).to_string();
        for body in ["{}", "[]", "{\"events\": {}}", "null", "\"x\"", "7", &many] {
            assert!(matches!(events(body), Err(Problem::Invalid(_))), "{body:.40}");
        }
        for body in ["", "{", "[1,]", "{\"events\": [}", "\u{0}", &"[".repeat(200_000)] {
            assert!(matches!(events(body), Err(Problem::Malformed(_))), "{body:.40}");
        }
    }

    #[test]
    fn what_no_value_can_hold_spoils_at_most_its_own_event() {
        let good = r#"{"id":"a","type":"download","trackId":"t","sessionId":"s","timestamp":"2026-01-31T09:30:00Z""#;
        let body = format!(
            r#"{{"n": 1e400, "events": [{good}}}, {good}, "note": "cut \ud83d"}}, {good}, "n": {{"n": -1e999}}}},
                {good}, "source": "\udc00"}}, "\ud83d", {good}, "type": "\ud83d", "id": 1e400}}]}}"#
        );
        let events = events(&body).unwrap();
        let (good, bad) = sort(&events, "2026-01-31T09:30:00Z".parse().unwrap(), false);
        assert_eq!(good.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 2]);
        let fields = |bad: &Rejected| bad.errors.iter().map(|error| error.field.to_string()).collect::<Vec<_>>();
        let bad: Vec<_> = bad.iter().map(|bad| (bad.index, bad.id.as_deref(), fields(bad))).collect();
        let fields = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let expected =
            [(3, Some("a"), fields(&["source"])), (4, None, fields(&["event"])), (5, None, fields(&["type", "id"]))];
        assert_eq!(bad, expected);
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
            json!([{"id": "x".repeat(100), "type": "play"}, at("2026-01-31T09:30:00Z"), at("2026-01-01T00:00:00Z")]);
        let body = batch.to_string();
        let batch = events(&body).unwrap();
        let (good, bad) = sort(&batch, now, false);
        assert_eq!(good.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1]);
        let bad: Vec<_> = bad
            .iter()
            .map(|bad| (bad.index, bad.id.as_ref().unwrap().len(), bad.errors[0].field.to_string()))
            .collect();
        assert_eq!(bad, [(0, 64, "id".to_owned()), (2, 1, "timestamp".to_owned())]);
        assert_eq!(sort(&batch, now, true).0.len(), 2);
    }
}
