//! `POST /api/stats/events`: takes batches of events and records them as facts.

mod answer;
mod batch;

use std::sync::Arc;

use shared::BoxFuture;
use shared::boot::Boot;
use shared::clock::Clock;
use shared::domain::caller::Caller;
use shared::domain::time::Time;
use shared::function::{Function, Invoke, StartError};
use shared::http::{Access, HttpHandler, Problem, Request, Response, is_crawler};
use shared::store::{Arrived, Documents, Engagements, Facts, Folds, Retention, Toggles};

/// The function.
pub const FUNCTION: Function = Function { name: "ingest-events", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 1024 * 1024;

fn start(boot: &Boot) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (events, state) = (reader.required("EVENTS_TABLE"), reader.required("STATE_TABLE"));
    let (stats, retention) = (reader.required("STATS_TABLE"), reader.parsed("RETENTION_DAYS"));
    let calendar = reader.parsed("TIME_ZONE");
    reader.finish(())?;
    let client = boot.dynamodb();
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
    Ok(shared::http::function(FUNCTION.name, Access::WriteKey, boot, IngestEvents { engagements, clock }))
}

struct IngestEvents {
    engagements: Engagements,
    clock: Arc<dyn Clock>,
}

impl HttpHandler for IngestEvents {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let now = Time::from(self.clock.now());
            let client = request.client();
            // Beacons are sent as plain text, which needs no preflight.
            let body = request.json(MAX_BODY, &["application/json", "text/plain"])?;
            let events = batch::events(&body)?;
            let from_crawler = client.user_agent.as_deref().is_some_and(is_crawler);
            if request.caller == Caller::Anonymous && from_crawler {
                return Ok(answer::dropped(events.len(), now));
            }
            let (events, rejected) = batch::sort(events, now, request.caller.is_admin());
            let (places, events): (Vec<_>, Vec<_>) = events.into_iter().unzip();
            let ids: Vec<_> = events.iter().map(|event| event.id.clone()).collect();
            let arrived = Arrived { events, user: request.caller.user().cloned(), origin: client.origin };
            let outcomes = self.engagements.record(arrived, request.deadline).await;
            Ok(answer::answer(places.into_iter().zip(ids).zip(outcomes), rejected, now))
        })
    }
}
