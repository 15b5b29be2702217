//! `PUT /api/tracks/{trackId}`: describes a track.

use std::sync::Arc;

use domain::id::TrackId;
use domain::track::{Description, Track};
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, Invoke, StartError};
use runtime::http::{Access, HttpHandler, Preconditions, Problem, Request, Response, seconds};
use serde_json::{Value, json};
use store::{Claims, Documents, PutCondition, StoreError};
use system::backoff::Backoff;

/// The function.
pub const FUNCTION: Function = Function { name: "put-track", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// What an artist is told who first describes a track that has numbers.
const CLAIMED: &str =
    "the track was played before anybody described it; an admin describes it first and says whose it is";

/// How often an unconditional put is tried where others write at the same time.
const TRIES: usize = 8;

fn start(boot: &FunctionContext) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, stats) = (reader.required("STATE_TABLE"), reader.required("STATS_TABLE"));
    reader.finish(())?;
    let documents = Documents::new(boot.dynamodb(), state, Arc::clone(&boot.ids));
    let handler = PutTrack { documents, claims: Claims::new(boot.dynamodb(), stats) };
    Ok(runtime::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
}

struct PutTrack {
    documents: Documents,
    claims: Claims,
}

impl HttpHandler for PutTrack {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: TrackId = request.path("trackId")?;
            let body = request.json(MAX_BODY, &["application/json"])?;
            let description = Description::parse(&body).map_err(Problem::Invalid)?;
            let wanted = Preconditions::of(&request);
            let mut backoff = Backoff::until(request.deadline);
            for _ in 0..TRIES {
                let held = self.documents.track(&id, true).await?;
                let track = description.clone().apply(held.as_ref().map(|held| &held.document), &request.caller)?;
                if !wanted.hold(held.as_ref().map(|held| &held.version)) {
                    return Err(Problem::PreconditionFailed);
                }
                // Whose plays they are that came before any description is not for the first who asks to say.
                let is_claim = held.is_none() && !request.caller.is_admin();
                if is_claim && self.claims.has_numbers(&id).await? {
                    return Err(Problem::ConflictingState(CLAIMED.to_owned()));
                }
                let status = if held.is_some() { StatusCode::OK } else { StatusCode::CREATED };
                let (was, condition) = match held {
                    Some(held) => (Some(held.document.artist), PutCondition::Still(held.version)),
                    None => (None, PutCondition::Absent),
                };
                match self.documents.put_track(&id, &track, was.as_ref(), condition).await {
                    Ok(version) => return Ok(Response::json(status, &answer(&id, &track)).with_etag(&version.0)),
                    // Another has put it, or a worker that closes its hours holds it for a moment.
                    Err(StoreError::Conflict) if backoff.wait().await => {}
                    Err(StoreError::Conflict) => return Err(Problem::Conflict),
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
