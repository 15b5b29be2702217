//! `PATCH /api/playlists/{playlistId}/submissions/{submissionId}`: accepts or rejects a submission.

use std::sync::Arc;

use domain::id::{PlaylistId, TrackId};
use domain::playlist::Decision;
use domain::time::Time;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies};
use store::Playlists;
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "review-submission", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 16 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| ReviewSubmission {
        playlists: Playlists::open(setup),
        clock: setup.clock(),
    })
}

struct ReviewSubmission {
    playlists: Playlists,
    clock: Arc<dyn Clock>,
}

impl HttpHandler for ReviewSubmission {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: PlaylistId = request.path("playlistId")?;
            // The id of a submission is that of its track.
            let track: TrackId = request.path("submissionId")?;
            let body = request.json(MAX_BODY, &["application/json"])?;
            let decision = Decision::parse(&body).map_err(Problem::Invalid)?;
            store::update(request.deadline, || async {
                let (playlist, stored) =
                    futures::try_join!(self.playlists.playlist(&id), self.playlists.submission(&id, &track))?;
                let playlist = playlist.ok_or_else(|| Problem::NotFound(format!("there is no playlist {id}")))?;
                // Checked first, so that other callers do not learn whether the submission exists.
                playlist.document.judged_by(&request.caller)?;
                let stored = stored
                    .ok_or_else(|| Problem::NotFound(format!("track {track} was not submitted to playlist {id}")))?;
                let submission = stored.document.judged(decision, Time::from(self.clock.now()));
                if submission == stored.document {
                    return Ok(Ok(Response::json(StatusCode::OK, &bodies::submission(&submission))));
                }
                let written = self.playlists.put_submission(&submission, Some(&stored)).await;
                Ok(written.map(|_| Response::json(StatusCode::OK, &bodies::submission(&submission))))
            })
            .await
        })
    }
}
