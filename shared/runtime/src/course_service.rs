//! Courses with their totals and live events, for functions that change a course.

use std::sync::Arc;

use serde_json::Value;

use domain::live::{Channel, LiveEvent, LiveEventName};
use domain::time::Time;
use store::{CourseStats, Courses, Outbox, OutboxEvents, Setup};
use system::clock::Clock;
use system::ids::Ids;

/// Everything that a function needs to change a course.
pub struct CourseService {
    /// Courses and enrollments.
    pub courses: Courses,
    /// The totals of courses.
    pub stats: CourseStats,
    /// `None` if live updates are off.
    outbox: Option<Outbox>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl CourseService {
    /// Opens the service.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self {
            courses: Courses::open(setup),
            stats: CourseStats::open(setup),
            outbox: Outbox::open_if_live(setup),
            clock: setup.clock(),
            ids: setup.ids(),
        }
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::from(self.clock.now())
    }

    /// The same event on each of these channels, under one new id: the state of a resource, under its name, since a
    /// time.
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

    /// The events to enqueue with a change.
    #[must_use]
    pub fn outbox_events<'a>(&'a self, events: &'a [LiveEvent]) -> OutboxEvents<'a> {
        (self.outbox.as_ref(), events)
    }
}
