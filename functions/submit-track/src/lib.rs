//! `POST /api/playlists/{playlistId}/submissions`: submits a track to a playlist.

use std::sync::Arc;

use domain::id::PlaylistId;
use domain::playlist::SubmissionOffer;
use domain::time::Time;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies};
use store::{Documents, Playlists};
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "submit-track", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 16 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| SubmitTrack {
        documents: Documents::open(setup),
        playlists: Playlists::open(setup),
        clock: setup.clock(),
    })
}

struct SubmitTrack {
    documents: Documents,
    playlists: Playlists,
    clock: Arc<dyn Clock>,
}

impl HttpHandler for SubmitTrack {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: PlaylistId = request.path("playlistId")?;
            let body = request.json(MAX_BODY, &["application/json"])?;
            let offer = SubmissionOffer::parse(&body).map_err(Problem::Invalid)?;
            store::update(request.deadline, || async {
                let (playlist, track, stored) = futures::try_join!(
                    self.playlists.playlist(&id),
                    self.documents.track(&offer.track, true),
                    self.playlists.submission(&id, &offer.track),
                )?;
                let playlist = playlist.ok_or_else(|| Problem::NotFound(format!("there is no playlist {id}")))?;
                let track = track.ok_or_else(|| {
                    Problem::NotFound(format!("track {} has no description; create the track first", offer.track))
                })?;
                // If the playlist closes or the track changes its artist after this read, the submission counts as
                // earlier.
                let (to, now) = ((&id, &playlist.document), Time::from(self.clock.now()));
                let standing = stored.as_ref().map(|stored| &stored.document);
                let submission = offer.apply(to, &track.document, standing, &request.caller, now)?;
                if standing == Some(&submission) {
                    return Ok(Ok(Response::json(StatusCode::CREATED, &bodies::submission(&submission))));
                }
                let written = self.playlists.put_submission(&submission, stored.as_ref()).await;
                Ok(written.map(|_| Response::json(StatusCode::CREATED, &bodies::submission(&submission))))
            })
            .await
        })
    }
}
