//! `POST /api/purchases/{purchaseId}/refund` refunds a purchase in full or in part, `DELETE` of a purchase in full. An
//! unpaid purchase is cancelled.

use std::sync::Arc;

use domain::caller::Caller;
use domain::id::PurchaseId;
use domain::purchase::{Purchase, RefundOrder, Status};
use domain::time::Time;
use http::{Method, StatusCode};
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, IdempotentRequest, Problem, Request, Response, bodies, settle};
use serde_json::json;
use store::{IdempotencyStore, PurchaseChange, Purchases};
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "refund-purchase", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| RefundPurchase {
        answers: IdempotencyStore::open(setup),
        purchases: Purchases::open(setup),
        clock: setup.clock(),
    })
}

struct RefundPurchase {
    answers: IdempotencyStore,
    purchases: Purchases,
    clock: Arc<dyn Clock>,
}

/// Whether the caller is the buyer or an admin.
fn is_known_to(purchase: &Purchase, caller: &Caller) -> bool {
    caller.is_admin() || caller.user().is_some_and(|user| purchase.buyer.user() == Some(user))
}

/// Only an admin may refund; a buyer may cancel an unpaid purchase.
fn may_refund(caller: &Caller, purchase: &Purchase) -> Result<(), Problem> {
    let is_unpaid = matches!(purchase.status, Status::Pending | Status::Cancelled);
    if caller.is_admin() || is_unpaid {
        return Ok(());
    }
    let rule = "only an admin may refund a purchase; a buyer may cancel an unpaid one";
    Err(Problem::Forbidden(rule.to_owned()))
}

impl HttpHandler for RefundPurchase {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: PurchaseId = request.path("purchaseId")?;
            // A full refund is idempotent; a partial one needs a key.
            let (order, once) = if request.method() == Method::POST {
                let body = request.json(MAX_BODY, &["application/json"])?;
                let content = json!({"purchaseId": id, "body": body});
                (
                    RefundOrder::parse(&body).map_err(Problem::Invalid)?,
                    Some(IdempotentRequest::required(&request, FUNCTION.name, content)?),
                )
            } else {
                (RefundOrder::default(), None)
            };
            let now = Time::from(self.clock.now());
            let request_id = once.as_ref().map(IdempotentRequest::id);
            store::update_idempotent(request.deadline, || async {
                // Read before the purchase, so that the purchase includes the effect of a completed request.
                let was_done = match &once {
                    Some(once) => once.done(&self.answers).await?.is_some(),
                    None => false,
                };
                let stored = self.purchases.purchase(&id).await?;
                // Other users' purchases must not be revealed.
                let stored = stored.filter(|stored| is_known_to(&stored.document, &request.caller));
                let stored = stored.ok_or_else(|| Problem::NotFound(format!("there is no purchase {id}")))?;
                may_refund(&request.caller, &stored.document)?;
                let payment = self.purchases.payment_of(&id).await?;
                if let Some(once) = &once {
                    if let Some(response) = once.answered(&self.answers).await? {
                        return Ok(Ok(response));
                    }
                    if was_done {
                        // The stored response has expired; the refund is kept for good.
                        return Ok(Ok(Response::json(StatusCode::OK, &bodies::purchase(&stored.document))));
                    }
                } else if matches!(stored.document.status, Status::Refunded | Status::Cancelled) {
                    settle(&self.purchases, &stored, payment, request.deadline).await?;
                    return Ok(Ok(Response::json(StatusCode::OK, &bodies::purchase(&stored.document))));
                }
                let at = order.at(&request.caller, &stored.document, now)?;
                let refund = stored.document.refund(order.amount, at)?;
                let body = bodies::purchase(&refund.purchase);
                let answer = once.as_ref().map(|once| once.lasting_answer(StatusCode::OK, &body, now));
                let settled = bodies::settled(payment, &refund.purchase);
                let change = PurchaseChange::Refunded(&stored, &refund, settled.as_ref(), request_id.as_deref());
                let written = self.purchases.write(&refund.purchase, change, answer.as_ref(), &body).await;
                Ok(written.map(|()| Response::json(StatusCode::OK, &body)))
            })
            .await
        })
    }
}
