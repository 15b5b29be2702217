//! `DELETE /api/products/{productId}`: deletes a product; what was sold of it stays sold.

use std::sync::Arc;

use domain::id::ProductId;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, Invoke, StartError};
use runtime::http::{Access, HttpHandler, Preconditions, Problem, Request, Response};
use store::{Products, Retention};

/// The function.
pub const FUNCTION: Function = Function { name: "delete-product", start };

fn start(boot: &FunctionContext) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, facts) = (reader.required("STATE_TABLE"), reader.required("INTERACTIONS_TABLE"));
    let retention = Retention::of_days(reader.parsed("RETENTION_DAYS"));
    reader.finish(())?;
    let injected = (Arc::clone(&boot.clock), Arc::clone(&boot.ids));
    let handler = DeleteProduct { products: Products::new(boot.dynamodb(), state, facts, retention, injected) };
    Ok(runtime::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
}

struct DeleteProduct {
    products: Products,
}

impl HttpHandler for DeleteProduct {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: ProductId = request.path("productId")?;
            let preconditions = Preconditions::of(&request);
            store::update(request.deadline, || async {
                let held = self.products.product(&id).await?.present();
                // That somebody else has a draft is nobody's business.
                let held = held.filter(|held| held.document.is_seen_by(&request.caller));
                let held = held.ok_or_else(|| Problem::NotFound(format!("there is no product {id}")))?;
                held.document.delete(&request.caller)?;
                preconditions.check(Some(&held.version))?;
                let written = self.products.delete(&id, &held).await;
                Ok(written.map(|()| Response::no_content()))
            })
            .await
        })
    }
}
