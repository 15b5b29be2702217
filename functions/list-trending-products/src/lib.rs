//! `GET /api/products/trending`: the products that can be bought, in order of how many looked at them in a month or ever.

use std::sync::Arc;

use domain::board::Season;
use domain::time::Time;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Paging, Problem, Request, Response};
use serde_json::{Value, json};
use store::{ProductReader, ViewedProduct};
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "list-trending-products", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::Public, |setup| ListTrendingProducts {
        products: ProductReader::open(setup),
        clock: setup.clock(),
    })
}

struct ListTrendingProducts {
    products: ProductReader,
    clock: Arc<dyn Clock>,
}

fn entry(viewed: &ViewedProduct) -> Value {
    let ViewedProduct { id, product, views } = viewed;
    json!({
        "productId": id,
        "sellerId": product.seller,
        "title": product.title,
        "price": product.price,
        "currency": product.currency,
        "views": views,
    })
}

impl HttpHandler for ListTrendingProducts {
    fn parameters(&self) -> &'static [&'static str] {
        &["period", "limit", "cursor"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let now = Time::from(self.clock.now());
            let mut query = request.query_reader();
            let season: Option<Season> = query.one("period");
            let paging = Paging::read(&mut query);
            query.done()?;
            let season = season.unwrap_or_else(|| Season::running(now));
            let list = paging.of(&request.caller, format!("trending {season}"))?;
            let page = self.products.trending(season, list.after(), list.limit(), request.deadline).await?;
            let body = json!({
                "period": season.to_string(),
                "products": page.products.iter().map(entry).collect::<Vec<_>>(),
                "nextResetAt": season.next_reset(now),
                "cursor": list.cursor(page.next.as_deref()),
            });
            Ok(Response::read(&request, body, now))
        })
    }
}
