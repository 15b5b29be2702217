//! `GET /api/tracks/{trackId}`: a track as it was described, with its counters.

use std::sync::Arc;

use domain::counters::TrackCounters;
use domain::id::TrackId;
use domain::time::Time;
use domain::track::Track;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies, seconds};
use serde_json::{Value, json};
use store::{Documents, RollupReader, Versioned};
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "get-track", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::Public, |setup| GetTrack {
        documents: Documents::open(setup),
        reading: RollupReader::open(setup),
        clock: setup.clock(),
    })
}

struct GetTrack {
    documents: Documents,
    reading: RollupReader,
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
                return Err(Problem::NotFound(format!(
                    "there is no track {id}: it has neither a description nor events"
                )));
            }
            let (counters, as_of) = total.unwrap_or_else(|| (TrackCounters::default(), Time::from(self.clock.now())));
            let body = body(&id, track.as_ref(), &counters);
            Ok(Response::read_with(&request, track.as_ref().map(|track| &track.version), body, as_of))
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
