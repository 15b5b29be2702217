//! `GET /api/payments`: the payments of one buyer or of all, the newest first.

use domain::creator;
use domain::id::UserId;
use domain::payment::PaymentStatus;
use domain::purchase::Buyer;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Paging, Problem, Request, Response, bodies};
use serde_json::{Value, json};
use store::Payments;

/// The function.
pub const FUNCTION: Function = Function { name: "list-payments", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| ListPayments { payments: Payments::open(setup) })
}

struct ListPayments {
    payments: Payments,
}

/// Whose payments are asked for: nobody's in particular, where an admin names nobody.
fn whose(request: &Request) -> Result<Option<Buyer>, Problem> {
    let own = request.user()?;
    match request.query::<UserId>("userId")? {
        None if request.caller.is_admin() => Ok(None),
        None => Ok(Some(Buyer::User(own.clone()))),
        Some(user) if creator::is_theirs(&request.caller, &user) => Ok(Some(Buyer::User(user))),
        Some(_) => Err(Problem::Forbidden("only an admin may read other users' payments".to_owned())),
    }
}

impl HttpHandler for ListPayments {
    fn parameters(&self) -> &'static [&'static str] {
        &["status", "userId", "limit", "cursor"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let of = whose(&request)?;
            let mut query = request.query_reader();
            let status: Option<PaymentStatus> = query.one("status");
            let paging = Paging::read(&mut query);
            query.done()?;
            let list = paging.of(&request.caller, format!("payments of {of:?}: {status:?}"))?;
            let page = self.payments.page(of.as_ref(), status, list.after(), list.limit()).await?;
            let payments: Vec<Value> = page.items.iter().map(bodies::payment).collect();
            let cursor = list.cursor(page.next.as_deref());
            Ok(Response::json(StatusCode::OK, &json!({"payments": payments, "cursor": cursor})))
        })
    }
}
