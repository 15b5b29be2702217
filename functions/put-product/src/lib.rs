//! `PUT /api/products/{productId}`: describes a product and its sale.

use std::sync::Arc;

use domain::id::{ProductId, SaleId};
use domain::money::Currency;
use domain::product::{ProductDescription, unreserved};
use domain::purchase::Accepted;
use domain::time::Time;
use domain::validation::InvalidField;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Preconditions, Problem, Request, Response, bodies};
use store::Products;
use system::clock::Clock;
use system::ids::Ids;

/// The function.
pub const FUNCTION: Function = Function { name: "put-product", start };

/// The largest body, in bytes: the longest texts fit with every character escaped.
const MAX_BODY: usize = 32 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| PutProduct {
        products: Products::open(setup),
        currencies: setup.parsed("CURRENCIES"),
        sales_per_day: setup.parsed("SELLER_SALES_PER_DAY"),
        clock: setup.clock(),
        ids: setup.ids(),
    })
}

struct PutProduct {
    products: Products,
    currencies: Accepted<Currency>,
    sales_per_day: u64,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl HttpHandler for PutProduct {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: ProductId = unreserved(request.path("productId")?)?;
            let body = request.json(MAX_BODY, &["application/json"])?;
            let description = ProductDescription::parse(&body).map_err(Problem::Invalid)?;
            if description.id.as_ref().is_some_and(|named| *named != id) {
                return Err(InvalidField::new("productId", "must equal the productId in the path").into());
            }
            let preconditions = Preconditions::of(&request);
            let sale: SaleId = self.ids.fresh().parse().map_err(|_| Problem::Internal)?;
            let now = Time::from(self.clock.now());
            store::update(request.deadline, || async {
                let stored = self.products.product(&id).await?;
                let there = stored.as_present();
                let before = (there.map(|stored| &stored.document), stored.owner());
                let product = description.clone().apply(before, &request.caller, sale.clone(), now)?;
                preconditions.check(there.map(|stored| &stored.version))?;
                let status = if there.is_some() { StatusCode::OK } else { StatusCode::CREATED };
                self.currencies.check_change(before.0.map(|product| product.currency), Some(product.currency))?;
                let most = (!request.caller.is_admin()).then_some(self.sales_per_day);
                if !self.products.may_sell(&product, before.0, most, now).await? {
                    return Err(Problem::TooMany {
                        what: "products marked as sold in a day",
                        retry_after_s: now.seconds_left_in_day(),
                    });
                }
                let written = self.products.put(&id, &product, &stored, most).await;
                Ok(written.map(|version| Response::json(status, &bodies::product(&id, &product)).with_etag(&version.0)))
            })
            .await
        })
    }
}
