//! What is said of quotas that refused something.

use std::collections::BTreeMap;

use domain::time::Time;
use http::header;
use runtime::http::Response;
use runtime::obs::metrics::{Measure, Metric};
use store::SubjectKind;

/// In how many seconds something is over; at least one.
pub(crate) fn retry_after(until: Time, now: Time) -> i64 {
    (until.since(now).num_milliseconds() + 999).div_euclid(1000).max(1)
}

/// What quotas refused of one request.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    refused: BTreeMap<SubjectKind, usize>,
    /// When the first of them may be sent again, in seconds.
    soonest: Option<i64>,
}

impl Limits {
    /// An event was refused because of a subject of this kind.
    pub(crate) fn refused(&mut self, by: SubjectKind, seconds: i64) {
        *self.refused.entry(by).or_default() += 1;
        self.soonest = Some(self.soonest.map_or(seconds, |soonest| soonest.min(seconds)));
    }

    /// The answer with what is to be said of it: when to try again, and a count for each kind of subject.
    pub(crate) fn tell(&self, mut response: Response) -> Response {
        for (kind, events) in &self.refused {
            let metric = match kind {
                SubjectKind::Key => Metric::LimitedByKey,
                SubjectKind::User => Metric::LimitedByUser,
                SubjectKind::Network => Metric::LimitedByNetwork,
                SubjectKind::Session => Metric::LimitedBySession,
            };
            tracing::warn!(subject = ?kind, events, "a quota refused {events} events: {}", metric.name());
            response = response.with_measure(Measure::count(metric, *events));
        }
        match self.soonest {
            Some(seconds) => response.with_header(header::RETRY_AFTER, &seconds.to_string()),
            None => response,
        }
    }
}
