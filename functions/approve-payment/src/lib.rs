//! `POST /api/payments/{paymentId}/approve`: a payment came, and so the purchase is paid.

use std::sync::Arc;

use domain::id::PaymentId;
use domain::payment::{Payment, PaymentStatus};
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, Invoke, StartError};
use runtime::http::{Access, Completion, HttpHandler, Problem, Request, Response, bodies};
use runtime::pusher;
use store::{Ownership, Payments, Purchases};

/// The function.
pub const FUNCTION: Function = Function { name: "approve-payment", start };

fn start(boot: &FunctionContext) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (ledger, state) = (reader.required("PURCHASES_TABLE"), reader.required("STATE_TABLE"));
    let stats = reader.required("STATS_TABLE");
    let outbox = pusher::outbox(&mut reader, boot);
    reader.finish(())?;
    let (client, clock, ids) = (boot.dynamodb(), Arc::clone(&boot.clock), Arc::clone(&boot.ids));
    let ownership = Ownership::new(client.clone(), state.clone());
    let payments = Payments::new(client.clone(), state.clone(), Arc::clone(&ids));
    let purchases = Purchases::new(client, (ledger, state, stats), outbox, (Arc::clone(&clock), ids));
    let handler = ApprovePayment { completion: Completion::new(ownership, purchases, clock), payments };
    Ok(runtime::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
}

struct ApprovePayment {
    completion: Completion,
    payments: Payments,
}

impl ApprovePayment {
    async fn payment(&self, id: &PaymentId) -> Result<Payment, Problem> {
        let held = self.payments.payment(id).await?;
        Ok(held.ok_or_else(|| Problem::NotFound(format!("there is no payment {id}")))?.document)
    }
}

impl HttpHandler for ApprovePayment {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            if !request.caller.is_admin() {
                return Err(Problem::Forbidden("only an admin may approve a payment".to_owned()));
            }
            let id: PaymentId = request.path("paymentId")?;
            let waiting = self.payment(&id).await?;
            if waiting.status == PaymentStatus::Approved {
                return Ok(Response::json(StatusCode::OK, &bodies::payment(&waiting)));
            }
            // The payment follows its purchase, also one that ended before it did.
            let completed = self.completion.complete(&waiting.purchase, request.deadline).await;
            let payment = self.payment(&id).await?;
            if payment.status == PaymentStatus::Approved {
                return Ok(Response::json(StatusCode::OK, &bodies::payment(&payment)));
            }
            Err(completed.err().unwrap_or(Problem::Conflict))
        })
    }
}
