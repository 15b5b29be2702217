//! `GET /api/packages/{packageId}`: a package and the quizzes it holds.

use domain::id::PackageId;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies};
use store::Packages;

/// The function.
pub const FUNCTION: Function = Function { name: "get-package", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::Public, |setup| GetPackage { packages: Packages::open(setup) })
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
