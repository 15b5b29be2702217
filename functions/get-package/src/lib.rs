//! `GET /api/packages/{packageId}`: a package and the quizzes it holds.

use std::sync::Arc;

use domain::id::PackageId;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, Invoke, StartError};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies};
use store::Packages;

/// The function.
pub const FUNCTION: Function = Function { name: "get-package", start };

fn start(boot: &FunctionContext) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, stats) = (reader.required("STATE_TABLE"), reader.required("STATS_TABLE"));
    reader.finish(())?;
    let (client, clock, ids) = (boot.dynamodb(), Arc::clone(&boot.clock), Arc::clone(&boot.ids));
    let handler = GetPackage { packages: Packages::new(client, state, stats, clock, ids) };
    Ok(runtime::http::function(FUNCTION.name, Access::Public, boot, handler))
}

struct GetPackage {
    packages: Packages,
}

impl HttpHandler for GetPackage {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: PackageId = request.path("packageId")?;
            // What is read here is changed on the condition that it still is so: an old version is refused then.
            let held = self.packages.package(&id, false).await?.present();
            let held = held.ok_or_else(|| Problem::NotFound(format!("there is no package {id}")))?;
            Ok(Response::document(&request, &held.version, &bodies::package(&id, &held.document)))
        })
    }
}
