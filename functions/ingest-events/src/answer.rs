//! What is answered: of every event, what became of it.

use http::StatusCode;
use serde_json::{Value, json};
use shared::domain::id::EventId;
use shared::domain::time::Time;
use shared::http::Response;
use shared::obs::metrics::Measure;
use shared::store::Outcome;

use crate::batch::Rejected;

/// The answer to a crawler: all is dropped, and said to be.
pub(crate) fn dropped(count: usize, now: Time) -> Response {
    respond(StatusCode::OK, 0, &[], count, now)
}

/// The answer to anybody else. The status is 207 if anything should be sent again, else 200.
pub(crate) fn answer(
    outcomes: impl Iterator<Item = ((usize, EventId), Outcome)>,
    rejected: Vec<Rejected>,
    now: Time,
) -> Response {
    let mut refusals: Vec<(usize, Value)> = rejected
        .into_iter()
        .map(|Rejected { index, id, invalid }| {
            (index, json!({"index": index, "id": id, "reason": invalid.reason, "field": invalid.field}))
        })
        .collect();
    let (mut accepted, mut status) = (0, StatusCode::OK);
    for ((index, id), outcome) in outcomes {
        match outcome {
            Outcome::Accepted => accepted += 1,
            Outcome::Closed => {
                let reason = "its minute is closed: the facts it belongs to have begun to expire";
                refusals.push((index, json!({"index": index, "id": id, "reason": reason, "field": "timestamp"})));
            }
            Outcome::Retry => {
                status = StatusCode::MULTI_STATUS;
                refusals.push((index, json!({"index": index, "id": id, "reason": "retry"})));
            }
        }
    }
    refusals.sort_by_key(|(index, _)| *index);
    let refusals: Vec<Value> = refusals.into_iter().map(|(_, refusal)| refusal).collect();
    respond(status, accepted, &refusals, 0, now)
}

fn respond(status: StatusCode, accepted: usize, rejected: &[Value], dropped: usize, now: Time) -> Response {
    let body = json!({"accepted": accepted, "rejected": rejected, "dropped": dropped, "serverTime": now});
    Response::json(status, &body)
        .with_measure(Measure::count("eventsAccepted", accepted))
        .with_measure(Measure::count("eventsRejected", rejected.len()))
        .with_measure(Measure::count("eventsDropped", dropped))
}
