//! `POST /api/purchases/{purchaseId}/complete`: the payment of a purchase was approved.

use std::sync::Arc;

use domain::id::PurchaseId;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, Invoke, StartError};
use runtime::http::{Access, Completion, HttpHandler, Problem, Request, Response, bodies};
use runtime::pusher;
use store::{Ownership, Purchases};

/// The function.
pub const FUNCTION: Function = Function { name: "complete-purchase", start };

fn start(boot: &FunctionContext) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (ledger, state) = (reader.required("PURCHASES_TABLE"), reader.required("STATE_TABLE"));
    let stats = reader.required("STATS_TABLE");
    let outbox = pusher::outbox(&mut reader, boot);
    reader.finish(())?;
    let client = boot.dynamodb();
    let ownership = Ownership::new(client.clone(), state.clone());
    let injected = (Arc::clone(&boot.clock), Arc::clone(&boot.ids));
    let purchases = Purchases::new(client, (ledger, state, stats), outbox, injected);
    let completion = Completion::new(ownership, purchases, Arc::clone(&boot.clock));
    Ok(runtime::http::function(FUNCTION.name, Access::SignedIn, boot, CompletePurchase { completion }))
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
