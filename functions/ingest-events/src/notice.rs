//! What is told of accepted events that share an id.
//!
//! An event is its track, timestamp, type, listener and id. Within a request the answer tells where an id that a listener
//! has used before means the same event, and where another one. Of earlier requests it does not: that would cost a read of
//! every event.

use std::collections::HashMap;

use domain::caller::Actor;
use domain::event::{Engagement, Event, Kind};
use domain::id::{EventId, PlaylistId, TrackId};
use domain::time::Time;
use serde_json::{Value, json};

/// What makes two events of one listener the same.
type Same<'a> = (&'a Actor, &'a EventId, &'a TrackId, Time, Kind, Option<&'a PlaylistId>);

fn same<'a>(actor: &'a Actor, event: &'a Event) -> Same<'a> {
    let playlist = match &event.what {
        Engagement::Save { playlist, .. } => Some(playlist),
        _ => None,
    };
    (actor, &event.id, &event.track, event.at, event.what.kind(), playlist)
}

/// The notices of events, each with its place in the request and who caused it.
pub(crate) fn notices<'a>(events: impl Iterator<Item = (usize, &'a Event, &'a Actor)>) -> Vec<Value> {
    let mut by_id: HashMap<(&Actor, &EventId), usize> = HashMap::new();
    let mut by_key: HashMap<Same<'_>, (usize, &Event)> = HashMap::new();
    let mut notices = Vec::new();
    for (index, event, actor) in events {
        let (code, of, detail) = match (by_key.get(&same(actor, event)), by_id.get(&(actor, &event.id))) {
            (Some((of, first)), _) if *first == event => {
                ("repeated", *of, "repeats an earlier event; the event counts once")
            }
            (Some((of, _)), _) => {
                let detail = match event.what {
                    Engagement::Like { .. } | Engagement::Save { .. } => {
                        "repeats an earlier event with different content; the event counts once, with its first content"
                    }
                    _ => {
                        "repeats an earlier event with different content; the event counts once, with its last content"
                    }
                };
                ("contentDiffers", *of, detail)
            }
            (None, Some(of)) => {
                let detail = "is a different event with the same id: its timestamp, track, type or playlist differs";
                ("idReused", *of, detail)
            }
            (None, None) => {
                by_id.insert((actor, &event.id), index);
                by_key.insert(same(actor, event), (index, event));
                continue;
            }
        };
        by_key.entry(same(actor, event)).or_insert((index, event));
        notices.push(json!({"index": index, "id": event.id, "code": code, "firstIndex": of, "detail": detail}));
    }
    notices
}

#[cfg(test)]
mod tests {
    use domain::raw_json::RawObject;

    use super::*;

    fn event(patch: &Value) -> Event {
        let mut event = json!({
            "id": "e", "type": "play", "source": "search", "trackId": "t", "sessionId": "s",
            "timestamp": "2026-01-31T09:30:00Z",
        });
        event.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        let text = event.to_string();
        Event::read(&RawObject::parse(&text).unwrap(), "2026-01-31T09:30:00Z".parse().unwrap(), false).unwrap()
    }

    #[test]
    fn an_id_that_comes_twice_is_told() {
        let like = json!({"type": "like", "action": "like"});
        let patches = [
            json!({}),
            json!({}),
            json!({"duration": 30}),
            json!({"timestamp": "2026-01-31T09:29:00Z"}),
            json!({"trackId": "u"}),
            json!({"id": "f"}),
            like.clone(),
            json!({"type": "like", "action": "unlike"}),
            like,
            json!({}),
        ];
        let events: Vec<Event> = patches.iter().map(event).collect();
        let (ann, bob): (Actor, Actor) = ("u:ann".parse().unwrap(), "u:bob".parse().unwrap());
        let actors = |at: usize| if at == 9 { &bob } else { &ann };
        let all = events.iter().enumerate().map(|(at, event)| (at, event, actors(at)));
        let notices = notices(all);
        let told: Vec<_> = notices
            .iter()
            .map(|notice| (notice["index"].as_u64().unwrap(), notice["code"].as_str().unwrap(), &notice["firstIndex"]))
            .collect();
        let expected = [
            (1, "repeated", &json!(0)),
            (2, "contentDiffers", &json!(0)),
            (3, "idReused", &json!(0)),
            (4, "idReused", &json!(0)),
            (6, "idReused", &json!(0)),
            (7, "contentDiffers", &json!(6)),
            (8, "repeated", &json!(6)),
        ];
        assert_eq!(told, expected);
        assert!(notices[1]["detail"].as_str().unwrap().ends_with("last content"));
        assert!(notices[5]["detail"].as_str().unwrap().ends_with("first content"));
    }
}
