//! `POST /api/products/{productId}/views`: records a view of a product.

use domain::caller::Actor;
use domain::entity::Entity;
use domain::id::ProductId;
use domain::validation::{InvalidField, object};
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, is_crawler};
use runtime::obs::metrics::{Measure, Metric};
use serde_json::json;
use store::{Admission, Products, QuotaCounters};
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "record-product-view", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::WriteKey, |setup| RecordProductView {
        products: Products::open(setup),
        quotas: QuotaCounters::open(setup),
    })
}

struct RecordProductView {
    products: Products,
    quotas: QuotaCounters,
}

/// The actors that the request names, the most certain first: the user, the device and the session.
fn viewer(request: &Request) -> Result<Vec<Actor>, Problem> {
    // Beacons are sent as plain text, which needs no preflight.
    let body = request.json(MAX_BODY, &["application/json", "text/plain"])?;
    let (fields, mut violations) = object(&body, &["sessionId", "anonymousId"]).map_err(Problem::Invalid)?;
    let (session, device) =
        (violations.keep(fields.parsed("sessionId")), violations.keep(fields.parsed("anonymousId")));
    let actors = session.zip(device).and_then(|(session, device)| {
        let actors = Actor::all(request.caller.user(), device.as_ref(), session.as_ref());
        if actors.is_empty() {
            violations.keep(Err(InvalidField::new("sessionId", "is required")))
        } else {
            Some(actors)
        }
    });
    violations.finish(actors).map_err(Problem::Invalid)
}

impl RecordProductView {
    /// Whether the view exceeds the quota of anonymous views of a network. A repeated view does not count.
    async fn is_limited(
        &self,
        viewer: &[Actor],
        id: &ProductId,
        network: Option<&str>,
        deadline: Instant,
    ) -> Result<bool, Problem> {
        let Some(network) = network else { return Ok(false) };
        if !self.products.is_first_view(viewer, id, deadline).await? {
            return Ok(false);
        }
        match self.quotas.view(network, &Entity::ProductViews(id.clone()), deadline).await? {
            Admission::Granted => Ok(false),
            Admission::Limited { .. } => {
                tracing::warn!("a quota refused a view: limitedByNetwork");
                Ok(true)
            }
            Admission::Unknown => Err(Problem::Unavailable),
        }
    }
}

impl HttpHandler for RecordProductView {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let id: ProductId = request.path("productId")?;
            let viewer = viewer(&request)?;
            let held = self.products.product(&id).await?.present();
            // Other sellers' drafts must not be revealed.
            let held = held.filter(|held| held.document.is_seen_by(&request.caller));
            let product = held.ok_or_else(|| Problem::NotFound(format!("there is no product {id}")))?.document;
            let is_crawlers = request.client().user_agent.as_deref().is_some_and(is_crawler);
            let is_own = request.caller.user() == Some(&product.seller);
            let may_count = product.is_active() && !is_own && !is_crawlers;
            let network = request.client().origin.network.filter(|_| request.caller.user().is_none());
            let is_limited = may_count && self.is_limited(&viewer, &id, network.as_deref(), request.deadline).await?;
            let counted =
                may_count && !is_limited && self.products.view(&viewer, &id, &product, request.deadline).await?;
            let response = Response::json(StatusCode::OK, &json!({"productId": id, "counted": counted}));
            Ok(response.with_measure(Measure::count(Metric::LimitedByNetwork, usize::from(is_limited))))
        })
    }
}
