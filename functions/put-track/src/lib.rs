//! `PUT /api/tracks/{trackId}`: describes a track.

use domain::id::TrackId;
use domain::track::{Description, Track};
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Preconditions, Problem, Request, Response, seconds};
use serde_json::{Value, json};
use store::{Claims, Documents, PutCondition};

/// The function.
pub const FUNCTION: Function = Function { name: "put-track", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// The answer to an artist who describes a track that already has stats.
const CLAIMED: &str = "the track has events but no description, so an admin has to create it and set its artistId";

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| PutTrack {
        documents: Documents::open(setup),
        claims: Claims::open(setup),
    })
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
            let preconditions = Preconditions::of(&request);
            store::update(request.deadline, || async {
                let stored = self.documents.track(&id, true).await?;
                let track =
                    description.clone().apply(stored.as_ref().map(|stored| &stored.document), &request.caller)?;
                preconditions.check(stored.as_ref().map(|stored| &stored.version))?;
                // The plays before the first description belong to no particular caller; only an admin can assign them.
                let is_claim = stored.is_none() && !request.caller.is_admin();
                if is_claim && self.claims.has_stats(&id).await? {
                    return Err(Problem::ConflictingState(CLAIMED.to_owned()));
                }
                let status = if stored.is_some() { StatusCode::OK } else { StatusCode::CREATED };
                let (was, condition) = match stored {
                    Some(stored) => (Some(stored.document.artist), PutCondition::Unchanged(stored.version)),
                    None => (None, PutCondition::Absent),
                };
                let written = self.documents.put_track(&id, &track, was.as_ref(), condition).await;
                Ok(written.map(|version| Response::json(status, &answer(&id, &track)).with_etag(&version.0)))
            })
            .await
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
