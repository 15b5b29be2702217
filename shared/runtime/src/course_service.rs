//! The desk: where functions write down what happens in courses, and what open pages are told of it.

use std::sync::Arc;

use serde_json::Value;

use crate::context::FunctionContext;
use crate::pusher;
use domain::live::{Channel, LiveEvent, LiveEventName};
use domain::time::Time;
use store::{Classroom, CourseStats, Outbox, PendingEvents};
use system::clock::Clock;
use system::environment::Reader;
use system::ids::Ids;

/// What every function needs that changes something in a course.
pub struct CourseService {
    /// Courses, and who takes them.
    pub classroom: Classroom,
    /// Their numbers.
    pub numbers: CourseStats,
    /// Nothing, where live updates are off.
    outbox: Option<Outbox>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl CourseService {
    /// The desk with the tables that the environment names.
    pub fn of(reader: &mut Reader<'_>, boot: &FunctionContext) -> Self {
        let (state, stats) = (reader.required("STATE_TABLE"), reader.required("STATS_TABLE"));
        Self {
            classroom: Classroom::new(boot.dynamodb(), state, Arc::clone(&boot.ids)),
            numbers: CourseStats::new(boot.dynamodb(), stats),
            outbox: pusher::outbox(reader, boot),
            clock: Arc::clone(&boot.clock),
            ids: Arc::clone(&boot.ids),
        }
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::from(self.clock.now())
    }

    /// The same event on each of these channels, under one new id: it tells what a thing, under its name, is since then.
    #[must_use]
    pub fn events(
        &self,
        channels: impl IntoIterator<Item = Channel>,
        name: LiveEventName,
        since: Time,
        thing: (&str, &Value),
    ) -> Vec<LiveEvent> {
        LiveEvent::on(channels, name, (&self.ids.fresh(), since), thing)
    }

    /// What is to be told with a change.
    #[must_use]
    pub fn telling<'a>(&'a self, events: &'a [LiveEvent]) -> PendingEvents<'a> {
        (self.outbox.as_ref(), events)
    }
}
