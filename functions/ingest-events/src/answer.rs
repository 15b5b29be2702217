//! What is answered: of every event, what became of it.

use domain::id::EventId;
use domain::time::Time;
use domain::validation::InvalidField;
use http::StatusCode;
use runtime::http::Response;
use runtime::obs::metrics::{Measure, Metric};
use serde_json::{Value, json};
use store::Outcome;

use crate::batch::Rejected;
use crate::limits::{Limits, retry_after};

/// The answer to a crawler: all is dropped, and said to be.
pub(crate) fn dropped(count: usize, now: Time) -> Response {
    respond(StatusCode::OK, 0, &[], &[], count, now)
}

/// The answer to anybody else. The status is 207 if anything should be sent again, else 200.
pub(crate) fn answer(
    outcomes: impl Iterator<Item = ((usize, EventId), Outcome)>,
    rejected: Vec<Rejected>,
    notices: &[Value],
    now: Time,
) -> Response {
    let mut refusals: Vec<(usize, Value)> = rejected
        .into_iter()
        .map(|Rejected { index, id, errors }| (index, refusal(index, json!(id), &errors)))
        .collect();
    let (mut accepted, mut status, mut limits) = (0, StatusCode::OK, Limits::default());
    for ((index, id), outcome) in outcomes {
        match outcome {
            Outcome::Accepted => accepted += 1,
            Outcome::Closed => {
                let reason = "its minute is closed: the facts it belongs to have begun to expire";
                refusals.push((index, refusal(index, json!(id), &[InvalidField::new("timestamp", reason)])));
            }
            Outcome::Limited { until, by } => {
                status = StatusCode::MULTI_STATUS;
                let seconds = retry_after(until, now);
                limits.refused(by, seconds);
                let refusal = json!({"index": index, "id": id, "reason": "limit", "retryAfterSeconds": seconds});
                refusals.push((index, refusal));
            }
            Outcome::Retry => {
                status = StatusCode::MULTI_STATUS;
                refusals.push((index, json!({"index": index, "id": id, "reason": "retry"})));
            }
        }
    }
    refusals.sort_by_key(|(index, _)| *index);
    let refusals: Vec<Value> = refusals.into_iter().map(|(_, refusal)| refusal).collect();
    limits.tell(respond(status, accepted, &refusals, notices, 0, now))
}

/// An event that is refused for good: the first of its errors, and all of them.
fn refusal(index: usize, id: Value, errors: &[InvalidField]) -> Value {
    let all: Vec<Value> = errors.iter().map(|error| json!({"field": error.field, "reason": error.reason})).collect();
    let first = errors.first();
    let (reason, field) = (first.map(|first| &first.reason), first.map(|first| &first.field));
    json!({"index": index, "id": id, "reason": reason, "field": field, "errors": all})
}

fn respond(
    status: StatusCode,
    accepted: usize,
    rejected: &[Value],
    notices: &[Value],
    dropped: usize,
    now: Time,
) -> Response {
    let body = json!({
        "accepted": accepted,
        "rejected": rejected,
        "notices": notices,
        "dropped": dropped,
        "serverTime": now,
    });
    Response::json(status, &body)
        .with_note(format!("{accepted} accepted, {} rejected, {dropped} dropped", rejected.len()))
        .with_measure(Measure::count(Metric::EventsRejected, rejected.len()))
}
