//! `POST /api/admin/packages/refresh` rebuilds the numbers of all packages. `GET` of the returned location reports the
//! progress.

use std::sync::Arc;

use domain::id::RefreshId;
use http::{Method, StatusCode, header};
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response};
use runtime::job::enqueue;
use runtime::messaging::Queue;
use serde_json::{Value, json};
use store::{PackageRebuilds, RebuildProgress};

/// The function.
pub const FUNCTION: Function = Function { name: "start-package-rebuild", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| StartPackageRebuild {
        rebuilds: PackageRebuilds::open(setup),
        queue: setup.queue("PACKAGE_REBUILD_QUEUE_URL"),
    })
}

struct StartPackageRebuild {
    rebuilds: PackageRebuilds,
    queue: Arc<dyn Queue>,
}

impl StartPackageRebuild {
    async fn start(&self, request: &Request) -> Result<Response, Problem> {
        let (rebuild, tasks) = self.rebuilds.start().await?;
        if let Err(unsent) = enqueue(self.queue.as_ref(), &tasks, request.deadline).await {
            tracing::warn!(refreshId = rebuild.as_str(), error = %unsent, "rebuild not started: {unsent}");
            return Err(Problem::Unavailable);
        }
        let response = Response::json(StatusCode::ACCEPTED, &json!({"refreshId": rebuild}));
        Ok(response.with_header(header::LOCATION, &format!("/api/admin/packages/refresh/{rebuild}")))
    }

    async fn progress(&self, rebuild: &RefreshId) -> Result<Response, Problem> {
        let progress = self.rebuilds.progress(rebuild).await?;
        let progress = progress.ok_or_else(|| Problem::NotFound(format!("there is no package rebuild {rebuild}")))?;
        Ok(Response::json(StatusCode::OK, &body(rebuild, &progress)))
    }
}

impl HttpHandler for StartPackageRebuild {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            if !request.caller.is_admin() {
                return Err(Problem::Forbidden("only an admin may start and read package rebuilds".to_owned()));
            }
            if request.method() == Method::POST {
                self.start(&request).await
            } else {
                self.progress(&request.path("refreshId")?).await
            }
        })
    }
}

fn body(rebuild: &RefreshId, progress: &RebuildProgress) -> Value {
    json!({
        "refreshId": rebuild,
        "status": if progress.is_done() { "done" } else { "running" },
        "startedAt": progress.started_at,
        "asOf": progress.as_of,
        "packages": progress.packages,
        "corrected": progress.corrected,
        "failed": progress.failed,
        "lanes": {"ended": progress.lanes_ended, "of": RebuildProgress::LANES},
    })
}
