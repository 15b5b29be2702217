//! `GET /api/discounts/{code}`: a discount, and how often it was used.

use domain::id::DiscountCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies};
use store::Discounts;

/// The function.
pub const FUNCTION: Function = Function { name: "get-discount", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| GetDiscount { discounts: Discounts::open(setup) })
}

struct GetDiscount {
    discounts: Discounts,
}

impl HttpHandler for GetDiscount {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            if !request.caller.is_admin() {
                return Err(Problem::Forbidden("only an admin may read discounts".to_owned()));
            }
            let code: DiscountCode = request.path("code")?;
            let held = self.discounts.discount(&code).await?;
            let held = held.ok_or_else(|| Problem::NotFound(format!("there is no discount {code}")))?;
            let body = bodies::discount(&code, &held.discount, held.uses, &held.version);
            Ok(Response::counted(&request, &held.version, &body))
        })
    }
}
