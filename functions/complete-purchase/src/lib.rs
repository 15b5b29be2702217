//! `POST /api/purchases/{purchaseId}/complete`: completes a purchase whose payment was approved.

use domain::id::PurchaseId;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, Completion, HttpHandler, Problem, Request, Response, bodies};

/// The function.
pub const FUNCTION: Function = Function { name: "complete-purchase", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| CompletePurchase {
        completion: Completion::open(setup),
    })
}

struct CompletePurchase {
    completion: Completion,
}

impl HttpHandler for CompletePurchase {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            if !request.caller.is_admin() {
                return Err(Problem::Forbidden("only an admin may complete a purchase".to_owned()));
            }
            let id: PurchaseId = request.path("purchaseId")?;
            let purchase = self.completion.complete(&id, request.deadline).await?;
            Ok(Response::json(StatusCode::OK, &bodies::purchase(&purchase)))
        })
    }
}
