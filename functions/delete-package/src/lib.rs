//! `DELETE /api/packages/{packageId}`: deletes a package; its quizzes stay.

use std::sync::Arc;

use domain::authorship;
use domain::id::PackageId;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, Invoke, StartError};
use runtime::http::{Access, HttpHandler, Preconditions, Problem, Request, Response};
use store::Packages;

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
            let preconditions = Preconditions::of(&request);
            store::update(request.deadline, || async {
                let held = self.packages.package(&id, true).await?.present();
                let held = held.ok_or_else(|| Problem::NotFound(format!("there is no package {id}")))?;
                authorship::creator(&request.caller, Some(&held.document.creator), None)?;
                preconditions.check(Some(&held.version))?;
                let written = self.packages.delete(&id, &held).await;
                Ok(written.map(|()| Response::no_content()))
            })
            .await
        })
    }
}
