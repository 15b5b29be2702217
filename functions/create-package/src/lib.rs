//! `POST /api/packages`: creates a package of quizzes.

use std::sync::Arc;

use domain::id::PackageId;
use domain::money::Currency;
use domain::package::{NewPackage, Package};
use domain::purchase::Accepted;
use http::{StatusCode, header};
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies, quizzes};
use store::{Packages, Quizzes};
use system::ids::Ids;

/// The function.
pub const FUNCTION: Function = Function { name: "create-package", start };

/// The largest body, in bytes: 500 quizzes with the longest ids, and a margin.
const MAX_BODY: usize = 64 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| CreatePackage {
        currencies: setup.parsed("CURRENCIES"),
        quizzes: Quizzes::open(setup),
        packages: Packages::open(setup),
        ids: setup.ids(),
    })
}

struct CreatePackage {
    currencies: Accepted<Currency>,
    quizzes: Quizzes,
    packages: Packages,
    ids: Arc<dyn Ids>,
}

impl HttpHandler for CreatePackage {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let body = request.json(MAX_BODY, &["application/json"])?;
            let new = NewPackage::parse(&body).map_err(Problem::Invalid)?;
            let id: PackageId = match &new.id {
                Some(id) => id.clone(),
                None => self.ids.fresh().parse().map_err(|_| Problem::Internal)?,
            };
            store::update(request.deadline, || async {
                let stored = self.packages.package(&id, true).await?;
                let package = new.clone().apply(stored.owner(), &request.caller)?;
                if let Some(stored) = stored.as_present() {
                    // A repeated request, perhaps because the response was lost.
                    if stored.document == package {
                        return Ok(Ok(answer(&id, &package, &stored.version.0)));
                    }
                    return Err(Problem::ConflictingState(format!(
                        "package {id} already exists with different content"
                    )));
                }
                self.currencies.check_change(None, Some(package.currency))?;
                quizzes::all_there(&self.quizzes, new.quizzes(), request.deadline).await?;
                let written = self.packages.put(&id, &package, &stored).await;
                Ok(written.map(|version| answer(&id, &package, &version.0)))
            })
            .await
        })
    }
}

fn answer(id: &PackageId, package: &Package, version: &str) -> Response {
    let response = Response::json(StatusCode::CREATED, &bodies::package(id, package)).with_etag(version);
    response.with_header(header::LOCATION, &format!("/api/packages/{id}"))
}
