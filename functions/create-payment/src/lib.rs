//! `POST /api/payments`: a buyer reports the payment of a purchase.

use std::sync::Arc;

use domain::payment::{self, Payment};
use domain::purchase::Status;
use domain::time::Time;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, IdempotentRequest, Problem, Request, Response, bodies, settle};
use store::{IdempotencyStore, Purchases};
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "create-payment", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| CreatePayment {
        answers: IdempotencyStore::open(setup),
        purchases: Purchases::open(setup),
        clock: setup.clock(),
    })
}

struct CreatePayment {
    answers: IdempotencyStore,
    purchases: Purchases,
    clock: Arc<dyn Clock>,
}

impl HttpHandler for CreatePayment {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let body = request.json(MAX_BODY, &["application/json"])?;
            let id = payment::paid_for(&body).map_err(Problem::Invalid)?;
            let once = IdempotentRequest::required(&request, FUNCTION.name, body)?;
            let now = Time::from(self.clock.now());
            store::update_idempotent(request.deadline, || async {
                let purchase = self.purchases.purchase(&id).await?;
                // Other users' purchases must not be revealed.
                let purchase = purchase.filter(|stored| payment::may_pay(&request.caller, &stored.document.buyer));
                let purchase = purchase.ok_or_else(|| Problem::NotFound(format!("there is no purchase {id}")))?;
                let stored = self.purchases.payment_of(&id).await?;
                if let Some(response) = once.answered(&self.answers).await? {
                    return Ok(Ok(response));
                }
                if let Some(payment) = settle(&self.purchases, &purchase, stored, request.deadline).await? {
                    return Ok(Ok(Response::json(StatusCode::CREATED, &bodies::payment(&payment))));
                }
                if purchase.document.status != Status::Pending {
                    return Err(purchase.document.conflict().into());
                }
                let payment = Payment::of(&purchase.document, now);
                let body = bodies::payment(&payment);
                let answer = once.answer(StatusCode::CREATED, &body, now);
                let written = self.purchases.pay(&purchase, &payment, &answer, &body).await;
                Ok(written.map(|()| Response::json(StatusCode::CREATED, &body)))
            })
            .await
        })
    }
}
