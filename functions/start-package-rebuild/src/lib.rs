//! `POST /api/admin/packages/refresh` has all packages' numbers made anew; `GET` of what it names tells how far that is.

use std::sync::Arc;

use domain::id::RefreshId;
use http::{Method, StatusCode, header};
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response};
use runtime::messaging::Queue;
use serde_json::{Value, json};
use store::{PackageRebuilds, Progress};

/// The function.
pub const FUNCTION: Function = Function { name: "start-package-rebuild", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| RefreshPackages {
        refreshes: PackageRebuilds::open(setup),
        queue: setup.queue("PACKAGE_REBUILD_QUEUE_URL"),
    })
}

struct RefreshPackages {
    refreshes: PackageRebuilds,
    queue: Arc<dyn Queue>,
}

impl RefreshPackages {
    async fn begin(&self, request: &Request) -> Result<Response, Problem> {
        let (refresh, legs) = self.refreshes.begin().await?;
        let bodies: Vec<String> = legs.iter().map(|leg| json!(leg).to_string()).collect();
        if let Err(unsent) = self.queue.send_all(&bodies, request.deadline).await {
            tracing::warn!(refreshId = refresh.as_str(), error = %unsent, "refresh not begun: {unsent}");
            return Err(Problem::Unavailable);
        }
        let response = Response::json(StatusCode::ACCEPTED, &json!({"refreshId": refresh}));
        Ok(response.with_header(header::LOCATION, &format!("/api/admin/packages/refresh/{refresh}")))
    }

    async fn progress(&self, refresh: &RefreshId) -> Result<Response, Problem> {
        let progress = self.refreshes.progress(refresh).await?;
        let progress = progress.ok_or_else(|| Problem::NotFound(format!("there is no package rebuild {refresh}")))?;
        Ok(Response::json(StatusCode::OK, &body(refresh, &progress)))
    }
}

impl HttpHandler for RefreshPackages {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            if !request.caller.is_admin() {
                return Err(Problem::Forbidden("only an admin may start and read package rebuilds".to_owned()));
            }
            if request.method() == Method::POST {
                self.begin(&request).await
            } else {
                self.progress(&request.path("refreshId")?).await
            }
        })
    }
}

fn body(refresh: &RefreshId, progress: &Progress) -> Value {
    json!({
        "refreshId": refresh,
        "status": if progress.is_done() { "done" } else { "running" },
        "startedAt": progress.started_at,
        "asOf": progress.as_of,
        "packages": progress.packages,
        "corrected": progress.corrected,
        "failed": progress.failed,
        "lanes": {"ended": progress.lanes_ended, "of": Progress::LANES},
    })
}
