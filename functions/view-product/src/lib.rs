//! `POST /api/products/{productId}/views`: somebody looks at a product.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;
use shared::BoxFuture;
use shared::boot::Boot;
use shared::domain::caller::Actor;
use shared::domain::fields::{Fields, Invalid};
use shared::domain::id::ProductId;
use shared::function::{Function, Invoke, StartError};
use shared::http::{Access, HttpHandler, Problem, Request, Response, is_crawler};
use shared::store::{Products, Retention};

/// The function.
pub const FUNCTION: Function = Function { name: "view-product", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(boot: &Boot) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, facts) = (reader.required("STATE_TABLE"), reader.required("INTERACTIONS_TABLE"));
    let retention = Retention::of_days(reader.parsed("RETENTION_DAYS"));
    reader.finish(())?;
    let injected = (Arc::clone(&boot.clock), Arc::clone(&boot.ids));
    let handler = ViewProduct { products: Products::new(boot.dynamodb(), state, facts, retention, injected) };
    Ok(shared::http::function(FUNCTION.name, Access::WriteKey, boot, handler))
}

struct ViewProduct {
    products: Products,
}

/// Who looks: the person, else the device, else the session that the body names, and all of them that are named.
fn viewer(request: &Request) -> Result<Vec<Actor>, Problem> {
    // Beacons are sent as plain text, which needs no preflight.
    let body = request.json(MAX_BODY, &["application/json", "text/plain"])?;
    let fields = body.as_object().map(Fields).ok_or_else(|| Invalid::new("body", "must be an object"))?;
    let (session, device) = (fields.parsed("sessionId")?, fields.parsed("anonymousId")?);
    let actors = Actor::all(request.caller.user(), device.as_ref(), session.as_ref());
    if actors.is_empty() {
        return Err(Invalid::new("sessionId", "is missing").into());
    }
    Ok(actors)
}

impl HttpHandler for ViewProduct {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: ProductId = request.path("productId")?;
            let viewer = viewer(&request)?;
            let held = self.products.product(&id).await?.there();
            // That somebody else has a draft is nobody's business.
            let held = held.filter(|held| held.document.is_seen_by(&request.caller));
            let product = held.ok_or_else(|| Problem::NotFound(format!("there is no product {id}")))?.document;
            let is_crawlers = request.client().user_agent.as_deref().is_some_and(is_crawler);
            let is_own = request.caller.user() == Some(&product.seller);
            let may_count = product.is_active() && !is_own && !is_crawlers;
            let counted = may_count && self.products.view(&viewer, &id, &product, request.deadline).await?;
            Ok(Response::json(StatusCode::OK, &json!({"productId": id, "counted": counted})))
        })
    }
}
