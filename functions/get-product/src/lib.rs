//! `GET /api/products/{productId}`: a product as its seller describes it, with how many looked at it.

use std::sync::Arc;

use domain::calendar::{Calendar, Level};
use domain::id::ProductId;
use domain::time::Time;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies};
use serde_json::json;
use store::ProductReader;
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "get-product", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::WriteKey, |setup| GetProduct {
        products: ProductReader::open(setup),
        clock: setup.clock(),
    })
}

struct GetProduct {
    products: ProductReader,
    clock: Arc<dyn Clock>,
}

impl HttpHandler for GetProduct {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: ProductId = request.path("productId")?;
            let now = Time::from(self.clock.now());
            let month = Calendar::default().period(Level::Month, now);
            let found = self.products.product(&id, &month).await?;
            // That somebody else has a draft is nobody's business.
            let found = found.filter(|shown| shown.product.document.is_seen_by(&request.caller));
            let shown = found.ok_or_else(|| Problem::NotFound(format!("there is no product {id}")))?;
            let mut body = bodies::product(&id, &shown.product.document);
            if let Some(body) = body.as_object_mut() {
                body.insert("views".to_owned(), json!({"total": shown.total, "month": shown.in_month}));
            }
            Ok(Response::read_with(&request, Some(&shown.product.version), body, now))
        })
    }
}
