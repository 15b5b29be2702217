//! `POST /api/payments/{paymentId}/approve`: approves a payment and completes its purchase.

use domain::id::PaymentId;
use domain::payment::{Payment, PaymentStatus};
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, Completion, HttpHandler, Problem, Request, Response, bodies};
use store::Payments;

/// The function.
pub const FUNCTION: Function = Function { name: "approve-payment", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| ApprovePayment {
        completion: Completion::open(setup),
        payments: Payments::open(setup),
    })
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
            // The payment is settled with its purchase, even if that was completed before.
            let completed = self.completion.complete(&waiting.purchase, request.deadline).await;
            let payment = self.payment(&id).await?;
            if payment.status == PaymentStatus::Approved {
                return Ok(Response::json(StatusCode::OK, &bodies::payment(&payment)));
            }
            Err(completed.err().unwrap_or(Problem::Conflict))
        })
    }
}
