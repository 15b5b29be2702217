//! `POST /api/products`: a seller creates a product.

use std::sync::Arc;

use domain::id::{ProductId, SaleId};
use domain::money::Currency;
use domain::product::{Product, ProductDescription};
use domain::purchase::Accepted;
use domain::time::Time;
use http::{StatusCode, header};
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies};
use store::Products;
use system::clock::Clock;
use system::ids::Ids;

/// The function.
pub const FUNCTION: Function = Function { name: "create-product", start };

/// The largest body, in bytes: the longest texts fit with every character escaped.
const MAX_BODY: usize = 32 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| CreateProduct {
        products: Products::open(setup),
        currencies: setup.parsed("CURRENCIES"),
        sales_per_day: setup.parsed("SELLER_SALES_PER_DAY"),
        clock: setup.clock(),
        ids: setup.ids(),
    })
}

struct CreateProduct {
    products: Products,
    currencies: Accepted<Currency>,
    sales_per_day: u64,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl HttpHandler for CreateProduct {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let body = request.json(MAX_BODY, &["application/json"])?;
            let description = ProductDescription::parse(&body).map_err(Problem::Invalid)?;
            let id: ProductId = match &description.id {
                Some(id) => id.clone(),
                None => self.ids.fresh().parse().map_err(|_| Problem::Internal)?,
            };
            let sale: SaleId = self.ids.fresh().parse().map_err(|_| Problem::Internal)?;
            let now = Time::from(self.clock.now());
            store::update(request.deadline, || async {
                let stored = self.products.product(&id).await?;
                let before = (stored.as_present().map(|stored| &stored.document), stored.owner());
                let product = description.clone().apply(before, &request.caller, sale.clone(), now)?;
                if let Some(stored) = stored.as_present() {
                    // A repeated request, perhaps because the response was lost.
                    if stored.document == product {
                        return Ok(Ok(answer(&id, &product, &stored.version.0)));
                    }
                    return Err(Problem::ConflictingState(format!(
                        "product {id} already exists with different content"
                    )));
                }
                self.currencies.check_change(None, Some(product.currency))?;
                let most = (!request.caller.is_admin()).then_some(self.sales_per_day);
                if !self.products.may_sell(&product, None, most, now).await? {
                    return Err(Problem::TooMany {
                        what: "products marked as sold in a day",
                        retry_after_s: now.seconds_left_in_day(),
                    });
                }
                let written = self.products.put(&id, &product, &stored, most).await;
                Ok(written.map(|version| answer(&id, &product, &version.0)))
            })
            .await
        })
    }
}

fn answer(id: &ProductId, product: &Product, version: &str) -> Response {
    let response = Response::json(StatusCode::CREATED, &bodies::product(id, product)).with_etag(version);
    response.with_header(header::LOCATION, &format!("/api/products/{id}"))
}
