//! `POST /api/payments/{paymentId}/approve`: a payment came, and so the purchase is paid.

use std::sync::Arc;

use http::StatusCode;
use shared::BoxFuture;
use shared::backoff::Backoff;
use shared::boot::Boot;
use shared::clock::Clock;
use shared::domain::id::PaymentId;
use shared::domain::live::{LiveEvent, LiveEventName};
use shared::domain::payment::PaymentStatus;
use shared::domain::time::Time;
use shared::function::{Function, Invoke, StartError};
use shared::http::{Access, Completion, HttpHandler, Problem, Request, Response, bodies};
use shared::ids::Ids;
use shared::live;
use shared::store::{ClassNumbers, Outbox, Ownership, Payments, Purchases};

/// The function.
pub const FUNCTION: Function = Function { name: "approve-payment", start };

fn start(boot: &Boot) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (ledger, state) = (reader.required("PURCHASES_TABLE"), reader.required("STATE_TABLE"));
    let stats = reader.required("STATS_TABLE");
    let outbox = live::outbox(&mut reader, boot);
    reader.finish(())?;
    let (client, clock, ids) = (boot.dynamodb(), Arc::clone(&boot.clock), Arc::clone(&boot.ids));
    let ownership = Ownership::new(client.clone(), state.clone());
    let injected = (Arc::clone(&clock), Arc::clone(&ids));
    let purchases = Purchases::new(client.clone(), ledger, state.clone(), outbox.clone(), injected);
    let handler = ApprovePayment {
        completion: Completion::new(ownership, purchases, Arc::clone(&clock)),
        payments: Payments::new(client.clone(), state, Arc::clone(&ids)),
        numbers: ClassNumbers::new(client, stats),
        outbox,
        clock,
        ids,
    };
    Ok(shared::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
}

struct ApprovePayment {
    completion: Completion,
    payments: Payments,
    numbers: ClassNumbers,
    /// Nothing, where live updates are off.
    outbox: Option<Outbox>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl HttpHandler for ApprovePayment {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            if !request.caller.is_admin() {
                return Err(Problem::Forbidden("only an admin may approve a payment".to_owned()));
            }
            let id: PaymentId = request.path("paymentId")?;
            let mut backoff = Backoff::until(request.deadline);
            loop {
                let held = self.payments.payment(&id).await?;
                let held = held.ok_or_else(|| Problem::NotFound(format!("there is no payment {id}")))?;
                if held.document.status == PaymentStatus::Approved {
                    return Ok(Response::json(StatusCode::OK, &bodies::payment(&held.document)));
                }
                // First the purchase: cut off in between, the payment still waits, and approving it again completes nothing twice.
                self.completion.complete(&held.document.purchase, request.deadline).await?;
                let payment = held.document.approve(Time::from(self.clock.now()));
                let body = bodies::payment(&payment);
                let at = payment.approved_at.ok_or(Problem::Internal)?;
                let (name, id) = (LiveEventName::PaymentApproved, self.ids.fresh());
                let events = LiveEvent::on(payment.channels(), name, (&id, at), ("payment", &body));
                let telling = (self.outbox.as_ref(), events.as_slice());
                match self.payments.put(&payment, Some(&held), None, &self.numbers, telling).await {
                    Ok(()) => return Ok(Response::json(StatusCode::OK, &body)),
                    Err(error) if error.may_pass() && backoff.wait().await => {}
                    Err(error) => return Err(error.into()),
                }
            }
        })
    }
}
