//! `GET /api/tracks/{trackId}`: a track as it was described, with its counters.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use http::{StatusCode, header};
use serde_json::{Value, json};
use shared::BoxFuture;
use shared::boot::Boot;
use shared::clock::Clock;
use shared::domain::counters::TrackCounters;
use shared::domain::id::TrackId;
use shared::domain::time::Time;
use shared::domain::track::Track;
use shared::function::{Function, Invoke, StartError};
use shared::http::{Access, HttpHandler, Problem, Request, Response, bodies, seconds};
use shared::store::{Documents, Reading, Versioned};

/// The function.
pub const FUNCTION: Function = Function { name: "get-track", start };

fn start(boot: &Boot) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, stats) = (reader.required("STATE_TABLE"), reader.required("STATS_TABLE"));
    let calendar = reader.parsed("TIME_ZONE");
    reader.finish(())?;
    let client = boot.dynamodb();
    let documents = Documents::new(client.clone(), state.clone(), Arc::clone(&boot.ids));
    let reading = Reading::new(client, state, stats, calendar, Arc::clone(&boot.clock));
    let handler = GetTrack { documents, reading, clock: Arc::clone(&boot.clock) };
    Ok(shared::http::function(FUNCTION.name, Access::Public, boot, handler))
}

struct GetTrack {
    documents: Documents,
    reading: Reading,
    clock: Arc<dyn Clock>,
}

impl HttpHandler for GetTrack {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: TrackId = request.path("trackId")?;
            let (track, total) =
                futures::join!(self.documents.track(&id, false), self.reading.total(&id, request.deadline));
            let (track, total) = (track?, total?);
            if track.is_none() && total.is_none() {
                return Err(Problem::NotFound(format!("no track {id} was described, and nothing happened to one")));
            }
            let (counters, as_of) = total.unwrap_or_else(|| (TrackCounters::default(), Time::from(self.clock.now())));
            let mut body = body(&id, track.as_ref(), &counters);
            let tag = tag(track.as_ref(), &body);
            if request.tags(&header::IF_NONE_MATCH).is_some_and(|tags| tags.include(&tag)) {
                return Ok(Response::not_modified().with_etag(&tag));
            }
            if let Some(body) = body.as_object_mut() {
                body.insert("asOf".to_owned(), Value::from(as_of.to_string()));
            }
            Ok(Response::json(StatusCode::OK, &body).with_etag(&tag))
        })
    }
}

fn body(id: &TrackId, track: Option<&Versioned<Track>>, counters: &TrackCounters) -> Value {
    let track = track.map(|track| &track.document);
    json!({
        "trackId": id,
        "title": track.map(|track| &track.title),
        "artistId": track.map(|track| &track.artist),
        "durationSeconds": track.map(|track| seconds(track.duration_ms)),
        "releasedAt": track.and_then(|track| track.released_at),
        "counters": bodies::counters(counters),
    })
}

/// The document's version and a digest of all that is answered but the time: the same answer has the same tag.
fn tag(track: Option<&Versioned<Track>>, body: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    body.to_string().hash(&mut hasher);
    format!("{}.{:016x}", track.map(|track| track.version.0.as_str()).unwrap_or_default(), hasher.finish())
}
