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
use runtime::function::{Function, Invoke, StartError};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, is_crawler};
use store::{Arrived, Documents, Engagements, Facts, Folds, QuotaCounters, Retention, Sender, Toggles};
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "ingest-events", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 1024 * 1024;

fn start(boot: &FunctionContext) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (events, state) = (reader.required("EVENTS_TABLE"), reader.required("STATE_TABLE"));
    let (stats, retention) = (reader.required("STATS_TABLE"), reader.parsed("RETENTION_DAYS"));
    let (calendar, trusts_viewer_country) = (reader.parsed("TIME_ZONE"), reader.parsed("TRUST_VIEWER_COUNTRY"));
    let quotas = reader.parsed_or_default("QUOTAS");
    reader.finish(())?;
    let client = boot.dynamodb();
    let quotas = QuotaCounters::new(quotas, client.clone(), stats.clone(), Arc::clone(&boot.clock));
    let (clock, ids) = (Arc::clone(&boot.clock), Arc::clone(&boot.ids));
    let engagements = Engagements::new(
        Facts::new(client.clone(), events.clone()),
        Toggles::new(client.clone(), state.clone(), events.clone()),
        Documents::new(client.clone(), state, Arc::clone(&ids)),
        Folds::new(client, events, stats, Arc::clone(&clock), Arc::clone(&ids)),
        (Retention::of_days(retention), calendar),
        Arc::clone(&clock),
        ids,
    );
    let handler = IngestEvents { engagements, quotas, clock, trusts_viewer_country };
    Ok(runtime::http::function(FUNCTION.name, Access::WriteKey, boot, handler))
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
            let arrived = Arrived { events, sender: self.sender(&request, client.origin) };
            let actors: Vec<Actor> = arrived.actors().collect();
            let all = places.iter().copied().zip(&arrived.events).zip(&actors);
            let notices = notice::notices(all.map(|((place, event), actor)| (place, event, actor)));
            let outcomes = quota::record(&self.quotas, &self.engagements, arrived, &request, network.as_deref()).await;
            Ok(answer::answer(places.into_iter().zip(ids).zip(outcomes), rejected, &notices, now))
        })
    }
}
