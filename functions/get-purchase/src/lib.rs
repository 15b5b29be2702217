//! `GET /api/purchases/{purchaseId}`: a purchase, to its buyer and admins.

use domain::id::PurchaseId;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies};
use store::PurchaseHistory;

/// The function.
pub const FUNCTION: Function = Function { name: "get-purchase", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| GetPurchase {
        history: PurchaseHistory::open(setup),
    })
}

struct GetPurchase {
    history: PurchaseHistory,
}

impl HttpHandler for GetPurchase {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: PurchaseId = request.path("purchaseId")?;
            let own = request.user()?;
            let held = self.history.purchase(&id).await?;
            // Others are not told that there is one.
            let held = held.filter(|held| request.caller.is_admin() || held.document.buyer.user() == Some(own));
            let held = held.ok_or_else(|| Problem::NotFound(format!("there is no purchase {id}")))?;
            Ok(Response::json(StatusCode::OK, &bodies::purchase(&held.document)))
        })
    }
}
