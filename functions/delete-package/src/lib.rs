//! `DELETE /api/packages/{packageId}`: deletes a package; its quizzes stay.

use domain::creator;
use domain::id::PackageId;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Preconditions, Problem, Request, Response};
use store::Packages;

/// The function.
pub const FUNCTION: Function = Function { name: "delete-package", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| DeletePackage { packages: Packages::open(setup) })
}

struct DeletePackage {
    packages: Packages,
}

impl HttpHandler for DeletePackage {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: PackageId = request.path("packageId")?;
            let preconditions = Preconditions::of(&request);
            store::update(request.deadline, || async {
                let stored = self.packages.package(&id, true).await?.present();
                let stored = stored.ok_or_else(|| Problem::NotFound(format!("there is no package {id}")))?;
                creator::creator(&request.caller, Some(&stored.document.creator), None)?;
                preconditions.check(Some(&stored.version))?;
                let written = self.packages.delete(&id, &stored).await;
                Ok(written.map(|()| Response::no_content()))
            })
            .await
        })
    }
}
