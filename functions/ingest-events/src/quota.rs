//! Quotas: what a caller may send before it is recorded.

use domain::caller::Caller;
use domain::entity::{Bucket, Entity};
use domain::event::{Engagement, Event};
use domain::id::SessionId;
use runtime::http::Request;
use store::{Admission, Engagements, EventBatch, Outcome, Preview, QuotaCounters, Requester};
use tokio::time::Instant;

/// Records events, as far as their sender's quotas allow; tells what became of each, in their order.
///
/// An event that was recorded before is accepted again, whatever the quotas, and uses nothing of them up once they matter:
/// nothing that was accepted is ever refused, and a request that is sent again is no greater than it was.
pub(crate) async fn record(
    quotas: &QuotaCounters,
    engagements: &Engagements,
    batch: EventBatch,
    request: &Request,
    network: Option<&str>,
) -> Vec<Outcome> {
    let key = request.write_key();
    let requester = Requester { caller: &request.caller, key: key.as_deref(), network };
    let gate = Gate { quotas, engagements, requester, deadline: request.deadline };
    let mut refused = gate.admit(&batch).await;
    gate.ration(&batch, &mut refused).await;

    let kept = batch.events.iter().zip(&refused).filter(|(_, refused)| refused.is_none());
    let kept = EventBatch { events: kept.map(|(event, _)| event.clone()).collect(), ..batch };
    let mut recorded = engagements.record(kept, request.deadline).await.into_iter();
    refused.into_iter().map(|refused| refused.or_else(|| recorded.next()).unwrap_or(Outcome::Retry)).collect()
}

struct Gate<'a> {
    quotas: &'a QuotaCounters,
    engagements: &'a Engagements,
    requester: Requester<'a>,
    deadline: Instant,
}

fn bucket(event: &Event) -> Bucket {
    Bucket { entity: Entity::Track(event.track.clone()), minute: event.at.minute() }
}

fn refusal(admission: Admission) -> Option<Outcome> {
    match admission {
        Admission::Granted => None,
        Admission::Limited { until, by } => Some(Outcome::Limited { until, by }),
        Admission::Unknown => Some(Outcome::Retry),
    }
}

/// Whether an event switches something on that only so many of a network may switch on.
fn is_rationed(event: &Event) -> bool {
    matches!(event.what, Engagement::Like { on: true, .. } | Engagement::Save { on: true, .. })
}

impl Gate<'_> {
    /// What the quotas of the sender make of each event; nothing where it may be recorded.
    async fn admit(&self, batch: &EventBatch) -> Vec<Option<Outcome>> {
        let events: Vec<(Bucket, &SessionId)> =
            batch.events.iter().map(|event| (bucket(event), &event.session)).collect();
        let all: Vec<usize> = (0..events.len()).collect();
        let plan = self.quotas.plan(self.requester, &events);
        let admissions = self.quotas.admit(&plan, &all, self.deadline).await;
        let mut refused: Vec<Option<Outcome>> = admissions.into_iter().map(refusal).collect();
        if !refused.iter().any(|refused| matches!(refused, Some(Outcome::Limited { .. }))) {
            return refused;
        }
        let foreseen = self.preview(batch, &all).await;
        let (mut released, mut again) = (Vec::new(), Vec::new());
        for ((at, refused), foresight) in refused.iter_mut().enumerate().zip(foreseen) {
            match (foresight, &*refused) {
                (Some(Preview::Recorded), was) => {
                    if was.is_none() {
                        released.push(at);
                    }
                    *refused = Some(Outcome::Accepted);
                }
                (Some(_), Some(Outcome::Limited { .. })) => again.push(at),
                (None, Some(Outcome::Limited { .. })) => *refused = Some(Outcome::Retry),
                _ => {}
            }
        }
        if released.is_empty() || again.is_empty() {
            return refused;
        }
        self.quotas.release(&plan, &released);
        let admissions = self.quotas.admit(&plan, &again, self.deadline).await;
        for (at, admission) in again.into_iter().zip(admissions) {
            if let Some(refused) = refused.get_mut(at) {
                *refused = refusal(admission);
            }
        }
        refused
    }

    /// Refuses likes and saves that are more than anonymous callers of a network may give.
    async fn ration(&self, batch: &EventBatch, refused: &mut [Option<Outcome>]) {
        let is_anonymous = *self.requester.caller == Caller::Anonymous;
        let Some(network) = self.requester.network.filter(|_| is_anonymous && self.quotas.limits_likes()) else {
            return;
        };
        let pairs = batch.events.iter().zip(refused.iter()).enumerate();
        let rationed = pairs.filter(|(_, (event, refused))| refused.is_none() && is_rationed(event));
        let rationed: Vec<usize> = rationed.map(|(at, _)| at).collect();
        if rationed.is_empty() {
            return;
        }
        let foreseen = self.preview(batch, &rationed).await;
        for (at, foresight) in rationed.into_iter().zip(foreseen) {
            let (Some(refused), Some(event)) = (refused.get_mut(at), batch.events.get(at)) else { continue };
            match foresight {
                None => *refused = Some(Outcome::Retry),
                Some(Preview::New) => {
                    let track = Entity::Track(event.track.clone());
                    let admission = self.quotas.like(network, &track, self.deadline).await;
                    *refused = refusal(admission.unwrap_or(Admission::Unknown));
                }
                Some(Preview::Recorded | Preview::Unchanged) => {}
            }
        }
    }

    /// What recording the events of these places would do; nothing where that is not known.
    async fn preview(&self, batch: &EventBatch, places: &[usize]) -> Vec<Option<Preview>> {
        let events = places.iter().filter_map(|at| batch.events.get(*at)).cloned().collect();
        let batch = EventBatch { events, ..batch.clone() };
        match self.engagements.preview(&batch, self.deadline).await {
            Ok(foreseen) => foreseen.into_iter().map(Some).collect(),
            Err(error) => {
                tracing::warn!(error = %error, "not known what was recorded: {error}");
                vec![None; places.len()]
            }
        }
    }
}
