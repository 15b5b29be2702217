//! `GET /api/payments`: the payments of one buyer or of all, the newest first.

use domain::creator;
use domain::id::UserId;
use domain::payment::PaymentStatus;
use domain::purchase::Buyer;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, Cursor, HttpHandler, Limit, Problem, Request, Response, bodies};
use serde_json::{Value, json};
use store::Payments;

/// The function.
pub const FUNCTION: Function = Function { name: "list-payments", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| GetPayments { payments: Payments::open(setup) })
}

struct GetPayments {
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

impl HttpHandler for GetPayments {
    fn parameters(&self) -> &'static [&'static str] {
        &["status", "userId", "limit", "cursor"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let of = whose(&request)?;
            let mut query = request.asked();
            let status: Option<PaymentStatus> = query.one("status");
            let (limit, cursor): (Option<Limit>, Option<Cursor>) = (query.one("limit"), query.one("cursor"));
            query.done()?;
            let limit = limit.unwrap_or_default();
            let scope = format!("payments of {of:?}: {status:?}");
            let after: Option<String> = cursor.map(|cursor| cursor.after(&request.caller, &scope)).transpose()?;
            let page = self.payments.page(of.as_ref(), status, after.as_deref(), limit.items()).await?;
            let payments: Vec<Value> = page.items.iter().map(bodies::payment).collect();
            let cursor = page.next.map(|next| Cursor::new(&request.caller, &scope, &next).to_string());
            Ok(Response::json(StatusCode::OK, &json!({"payments": payments, "cursor": cursor})))
        })
    }
}
