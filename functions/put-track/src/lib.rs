//! `PUT /api/tracks/{trackId}`: describes a track.

use std::sync::Arc;

use http::{StatusCode, header};
use serde_json::{Value, json};
use shared::BoxFuture;
use shared::boot::Boot;
use shared::domain::id::TrackId;
use shared::domain::track::{Description, Track};
use shared::function::{Function, Invoke, StartError};
use shared::http::{Access, HttpHandler, Problem, Request, Response, Tags, seconds};
use shared::store::{Documents, PutCondition, StoreError, Versioned};

/// The function.
pub const FUNCTION: Function = Function { name: "put-track", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// How often an unconditional put is tried where others write at the same time.
const TRIES: usize = 5;

fn start(boot: &Boot) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let state = reader.required("STATE_TABLE");
    reader.finish(())?;
    let handler = PutTrack { documents: Documents::new(boot.dynamodb(), state, Arc::clone(&boot.ids)) };
    Ok(shared::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
}

struct PutTrack {
    documents: Documents,
}

impl HttpHandler for PutTrack {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: TrackId = request.path("trackId")?;
            let body = request.json(MAX_BODY, &["application/json"])?;
            let description = Description::parse(&body).map_err(Problem::Invalid)?;
            let wanted = Preconditions {
                if_match: request.tags(&header::IF_MATCH),
                if_none_match: request.tags(&header::IF_NONE_MATCH),
            };
            for _ in 0..TRIES {
                let held = self.documents.track(&id, true).await?;
                let track = description.clone().apply(held.as_ref().map(|held| &held.document), &request.caller)?;
                if !wanted.hold(held.as_ref()) {
                    return Err(Problem::PreconditionFailed);
                }
                let status = if held.is_some() { StatusCode::OK } else { StatusCode::CREATED };
                let condition = held.map_or(PutCondition::Absent, |held| PutCondition::Still(held.version));
                match self.documents.put_track(&id, &track, condition).await {
                    Ok(version) => return Ok(Response::json(status, &answer(&id, &track)).with_etag(&version.0)),
                    Err(StoreError::Conflict) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(Problem::Conflict)
        })
    }
}

fn answer(id: &TrackId, track: &Track) -> Value {
    json!({
        "trackId": id,
        "title": track.title,
        "artistId": track.artist,
        "durationSeconds": seconds(track.duration_ms),
        "releasedAt": track.released_at,
    })
}

/// What the caller wants to hold before the track is written.
struct Preconditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

impl Preconditions {
    fn hold(&self, held: Option<&Versioned<Track>>) -> bool {
        let is_among = |tags: &Tags| held.is_some_and(|held| tags.include_version(&held.version));
        self.if_match.as_ref().is_none_or(is_among) && !self.if_none_match.as_ref().is_some_and(is_among)
    }
}
