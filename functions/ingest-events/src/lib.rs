//! `POST /api/stats/events`: takes batches of events and records them as facts.

mod answer;
mod batch;
mod limits;
mod notice;
mod quota;

use std::sync::Arc;

use domain::caller::Actor;
use domain::fact::Origin;
use domain::time::Time;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, is_crawler};
use store::{Engagements, EventBatch, QuotaCounters, Sender};
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "ingest-events", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 1024 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::WriteKey, |setup| IngestEvents {
        engagements: Engagements::open(setup),
        quotas: QuotaCounters::open(setup),
        clock: setup.clock(),
        trusts_viewer_country: setup.parsed("TRUST_VIEWER_COUNTRY"),
    })
}

struct IngestEvents {
    engagements: Engagements,
    quotas: QuotaCounters,
    clock: Arc<dyn Clock>,
    /// Whether only an edge that names the viewer's country reaches the API.
    trusts_viewer_country: bool,
}

impl IngestEvents {
    /// Who sends a request's events. An admin's are never the admin's own: they are imports.
    fn sender(&self, request: &Request, mut origin: Origin) -> Sender {
        if request.caller.is_admin() {
            return Sender::Importer;
        }
        if self.trusts_viewer_country {
            origin.country = request.viewer_country().map(|country| country.to_string());
        }
        Sender::Client { user: request.caller.user().cloned(), origin }
    }
}

impl HttpHandler for IngestEvents {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let now = Time::from(self.clock.now());
            // Beacons are sent as plain text, which needs no preflight.
            let body = request.text(MAX_BODY, &["application/json", "text/plain"])?;
            let events = batch::events(body)?;
            let is_import = request.caller.is_admin();
            let client = request.client();
            if !is_import && client.user_agent.as_deref().is_some_and(is_crawler) {
                return Ok(answer::dropped(events.len(), now));
            }
            let (events, rejected) = batch::sort(&events, now, is_import);
            let (places, events): (Vec<_>, Vec<_>) = events.into_iter().unzip();
            let ids: Vec<_> = events.iter().map(|event| event.id.clone()).collect();
            let network = client.origin.network.clone();
            let arrived = EventBatch { events, sender: self.sender(&request, client.origin) };
            let actors: Vec<Actor> = arrived.actors().collect();
            let all = places.iter().copied().zip(&arrived.events).zip(&actors);
            let notices = notice::notices(all.map(|((place, event), actor)| (place, event, actor)));
            let outcomes = quota::record(&self.quotas, &self.engagements, arrived, &request, network.as_deref()).await;
            Ok(answer::answer(places.into_iter().zip(ids).zip(outcomes), rejected, &notices, now))
        })
    }
}
