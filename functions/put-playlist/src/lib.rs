//! `PUT /api/playlists/{playlistId}`: creates or changes a playlist.

use domain::id::PlaylistId;
use domain::playlist::PlaylistDescription;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Preconditions, Problem, Request, Response, bodies};
use store::Playlists;

/// The function.
pub const FUNCTION: Function = Function { name: "put-playlist", start };

/// The largest body, in bytes: the longest texts fit with every character escaped.
const MAX_BODY: usize = 32 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| PutPlaylist { playlists: Playlists::open(setup) })
}

struct PutPlaylist {
    playlists: Playlists,
}

impl HttpHandler for PutPlaylist {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: PlaylistId = request.path("playlistId")?;
            let body = request.json(MAX_BODY, &["application/json"])?;
            let description = PlaylistDescription::parse(&body).map_err(Problem::Invalid)?;
            let preconditions = Preconditions::of(&request);
            store::update(request.deadline, || async {
                let stored = self.playlists.playlist(&id).await?;
                let playlist =
                    description.clone().apply(stored.as_ref().map(|stored| &stored.document), &request.caller)?;
                preconditions.check(stored.as_ref().map(|stored| &stored.version))?;
                let status = if stored.is_some() { StatusCode::OK } else { StatusCode::CREATED };
                let written = self.playlists.put(&id, &playlist, stored.as_ref()).await;
                Ok(written
                    .map(|version| Response::json(status, &bodies::playlist(&id, &playlist)).with_etag(&version.0)))
            })
            .await
        })
    }
}
