//! `PUT /api/discounts/{code}`: creates or changes a discount.

use domain::discount::{Discount, is_hard_to_guess};
use domain::id::DiscountCode;
use domain::money::Currency;
use domain::purchase::Accepted;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Preconditions, Problem, Request, Response, bodies};
use store::Discounts;

/// The function.
pub const FUNCTION: Function = Function { name: "put-discount", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| PutDiscount {
        discounts: Discounts::open(setup),
        currencies: setup.parsed("CURRENCIES"),
    })
}

struct PutDiscount {
    discounts: Discounts,
    currencies: Accepted<Currency>,
}

impl HttpHandler for PutDiscount {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            if !request.caller.is_admin() {
                return Err(Problem::Forbidden("only an admin may create and update discounts".to_owned()));
            }
            let code: DiscountCode = request.path("code")?;
            let body = request.json(MAX_BODY, &["application/json"])?;
            let discount = Discount::parse(&body).map_err(Problem::Invalid)?;
            let preconditions = Preconditions::of(&request);
            store::update(request.deadline, || async {
                let stored = self.discounts.discount(&code).await?;
                preconditions.check(stored.as_ref().map(|stored| &stored.version))?;
                let before = stored.as_ref().and_then(|stored| stored.discount.currency());
                self.currencies.check_change(before, discount.currency())?;
                if stored.is_none() {
                    is_hard_to_guess(&code)?;
                }
                let (status, uses) = match &stored {
                    Some(stored) => (StatusCode::OK, stored.uses),
                    None => (StatusCode::CREATED, 0),
                };
                let written = self.discounts.put(&code, &discount, stored.as_ref()).await;
                Ok(written.map(|version| {
                    let response = Response::json(status, &bodies::discount(&code, &discount, uses, &version));
                    response.with_etag(&version.0)
                }))
            })
            .await
        })
    }
}
