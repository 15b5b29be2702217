//! `POST /api/products`: a seller offers a product.

use std::sync::Arc;

use domain::id::{ProductId, SaleId};
use domain::money::Currency;
use domain::product::{Product, ProductDescription};
use domain::purchase::Accepted;
use domain::time::Time;
use http::{StatusCode, header};
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, Invoke, StartError};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies};
use store::{Products, Retention};
use system::clock::Clock;
use system::ids::Ids;

/// The function.
pub const FUNCTION: Function = Function { name: "create-product", start };

/// The largest body, in bytes: the longest texts fit, with every character of them escaped.
const MAX_BODY: usize = 32 * 1024;

fn start(boot: &FunctionContext) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, facts) = (reader.required("STATE_TABLE"), reader.required("INTERACTIONS_TABLE"));
    let retention = Retention::of_days(reader.parsed("RETENTION_DAYS"));
    let (currencies, sales_per_day) = (reader.parsed("CURRENCIES"), reader.parsed("SELLER_SALES_PER_DAY"));
    reader.finish(())?;
    let (clock, ids) = (Arc::clone(&boot.clock), Arc::clone(&boot.ids));
    let products = Products::new(boot.dynamodb(), state, facts, retention, (Arc::clone(&clock), Arc::clone(&ids)));
    let handler = CreateProduct { products, currencies, sales_per_day, clock, ids };
    Ok(runtime::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
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
                let held = self.products.product(&id).await?;
                let before = (held.as_present().map(|held| &held.document), held.owner());
                let product = description.clone().apply(before, &request.caller, sale.clone(), now)?;
                if let Some(held) = held.as_present() {
                    // Sent again, perhaps because the answer was lost.
                    if held.document == product {
                        return Ok(Ok(answer(&id, &product, &held.version.0)));
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
                let written = self.products.put(&id, &product, &held, most).await;
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
