//! `DELETE /api/products/{productId}`: deletes a product; its sales stay counted.

use domain::id::ProductId;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Preconditions, Problem, Request, Response};
use store::Products;

/// The function.
pub const FUNCTION: Function = Function { name: "delete-product", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| DeleteProduct { products: Products::open(setup) })
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
                let stored = self.products.product(&id).await?.present();
                // Other sellers' drafts must not be revealed.
                let stored = stored.filter(|stored| stored.document.is_seen_by(&request.caller));
                let stored = stored.ok_or_else(|| Problem::NotFound(format!("there is no product {id}")))?;
                stored.document.delete(&request.caller)?;
                preconditions.check(Some(&stored.version))?;
                let written = self.products.delete(&id, &stored).await;
                Ok(written.map(|()| Response::no_content()))
            })
            .await
        })
    }
}
