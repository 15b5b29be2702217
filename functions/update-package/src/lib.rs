//! `PUT /api/packages/{packageId}`: changes a package and its quizzes.

use domain::id::PackageId;
use domain::money::Currency;
use domain::package::PackageDescription;
use domain::purchase::Accepted;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Preconditions, Problem, Request, Response, bodies, quizzes};
use store::{Packages, Quizzes};

/// The function.
pub const FUNCTION: Function = Function { name: "update-package", start };

/// The largest body, in bytes: 500 quizzes with the longest ids, and a margin.
const MAX_BODY: usize = 64 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| UpdatePackage {
        currencies: setup.parsed("CURRENCIES"),
        quizzes: Quizzes::open(setup),
        packages: Packages::open(setup),
    })
}

struct UpdatePackage {
    currencies: Accepted<Currency>,
    quizzes: Quizzes,
    packages: Packages,
}

impl HttpHandler for UpdatePackage {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: PackageId = request.path("packageId")?;
            let body = request.json(MAX_BODY, &["application/json"])?;
            let description = PackageDescription::parse(&body).map_err(Problem::Invalid)?;
            let preconditions = Preconditions::of(&request);
            store::update(request.deadline, || async {
                let stored = self.packages.package(&id, true).await?;
                let Some(there) = stored.as_present() else {
                    return Err(Problem::NotFound(format!("there is no package {id}")));
                };
                let package = description.clone().apply(&there.document, &request.caller)?;
                preconditions.check(Some(&there.version))?;
                self.currencies.check_change(Some(there.document.currency), Some(package.currency))?;
                quizzes::all_there(&self.quizzes, description.quizzes(), request.deadline).await?;
                let written = self.packages.put(&id, &package, &stored).await;
                Ok(written.map(|version| {
                    let response = Response::json(StatusCode::OK, &bodies::package(&id, &package));
                    response.with_etag(&version.0)
                }))
            })
            .await
        })
    }
}
