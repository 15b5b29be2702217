//! `DELETE /api/packages/{packageId}`: deletes a package; its quizzes stay.

use std::sync::Arc;

use domain::authorship;
use domain::id::PackageId;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, Invoke, StartError};
use runtime::http::{Access, HttpHandler, Preconditions, Problem, Request, Response};
use store::{Packages, StoreError};
use system::backoff::Backoff;

/// The function.
pub const FUNCTION: Function = Function { name: "delete-package", start };

fn start(boot: &FunctionContext) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, stats) = (reader.required("STATE_TABLE"), reader.required("STATS_TABLE"));
    reader.finish(())?;
    let (client, clock, ids) = (boot.dynamodb(), Arc::clone(&boot.clock), Arc::clone(&boot.ids));
    let handler = DeletePackage { packages: Packages::new(client, state, stats, clock, ids) };
    Ok(runtime::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
}

struct DeletePackage {
    packages: Packages,
}

impl HttpHandler for DeletePackage {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: PackageId = request.path("packageId")?;
            let wanted = Preconditions::of(&request);
            let mut backoff = Backoff::until(request.deadline);
            loop {
                let held = self.packages.package(&id, true).await?.present();
                let held = held.ok_or_else(|| Problem::NotFound(format!("there is no package {id}")))?;
                authorship::creator(&request.caller, Some(&held.document.creator), None)?;
                if !wanted.hold(Some(&held.version)) {
                    return Err(Problem::PreconditionFailed);
                }
                match self.packages.delete(&id, &held).await {
                    Ok(()) => return Ok(Response::no_content()),
                    Err(StoreError::Conflict) if backoff.wait().await => {}
                    Err(error) => return Err(error.into()),
                }
            }
        })
    }
}
