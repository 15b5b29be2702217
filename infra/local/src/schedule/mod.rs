//! Schedules: what EventBridge fires at a time.

mod plan;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;
use system::clock::Clock;
use system::ids::Ids;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use plan::{Plan, PlanError};

use crate::lambda::Invoker;
use crate::wire::{self, ACCOUNT, REGION};

/// A schedule of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// The function that it invokes.
    pub function: String,
    /// `rate(…)` or `cron(…)`.
    pub expression: String,
    /// Who fires it.
    pub by: By,
    /// The event, where it is not EventBridge's own.
    pub input: Option<String>,
    /// Whether it fires at all.
    pub enabled: bool,
}

/// What fires a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A rule of EventBridge: SAM's `Schedule`.
    Rule,
    /// EventBridge Scheduler: SAM's `ScheduleV2`.
    Scheduler,
}

/// The pauses before a failed invocation is tried again, as Lambda makes them.
const PAUSES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];

/// How long to sleep at most before looking at the clock again: it may be set, and the machine may sleep.
const NAP: Duration = Duration::from_secs(30);

/// A schedule that cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("schedule {name}: {source}")]
pub struct ScheduleError {
    /// The schedule.
    pub name: String,
    /// What is wrong.
    pub source: PlanError,
}

/// What schedules fire at, and with what.
#[derive(Clone)]
pub struct Firing {
    /// The functions.
    pub invoker: Arc<dyn Invoker>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
}

/// The schedules of a cloud, at work until they are stopped.
pub struct Schedules {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    schedules: Vec<Schedule>,
    firing: Firing,
}

impl fmt::Debug for Schedules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedules").field("schedules", &self.schedules).finish_non_exhaustive()
    }
}

impl Schedules {
    /// Checks all schedules and sets the enabled ones to work.
    ///
    /// # Errors
    /// Names the first whose expression the local cloud does not know.
    pub fn start(firing: Firing, schedules: Vec<Schedule>) -> Result<Self, ScheduleError> {
        let stop = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        let plan = |schedule: &Schedule| {
            let source = |source| ScheduleError { name: schedule.name.clone(), source };
            Ok((Plan::parse(&schedule.expression).map_err(source)?, schedule.clone()))
        };
        let planned: Vec<(Plan, Schedule)> = schedules.iter().map(plan).collect::<Result<_, _>>()?;
        for (plan, schedule) in planned.into_iter().filter(|(_, schedule)| schedule.enabled) {
            tasks.spawn(keep(plan, schedule, firing.clone(), stop.subscribe()));
        }
        Ok(Self { tasks, stop, schedules, firing })
    }

    /// Fires a schedule now. Returns whether there is a schedule of this name.
    pub async fn fire(&self, name: &str) -> bool {
        let Some(schedule) = self.schedules.iter().find(|schedule| schedule.name == name) else { return false };
        let mut stop = self.stop.subscribe();
        invoke(schedule, &self.firing, self.firing.clock.now(), &mut stop).await;
        true
    }

    /// Stops: invocations under way are brought to an end.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a schedule ended badly");
            }
        }
    }
}

async fn keep(plan: Plan, schedule: Schedule, firing: Firing, mut stop: watch::Receiver<bool>) {
    let mut under_way = JoinSet::new();
    let mut last = firing.clock.now();
    while let Some(next) = plan.next_after(last) {
        loop {
            let remaining = (next - firing.clock.now()).to_std().unwrap_or_default();
            if remaining.is_zero() {
                break;
            }
            if wire::pause(&mut stop, remaining.min(NAP)).await {
                while under_way.join_next().await.is_some() {}
                return;
            }
        }
        while under_way.try_join_next().is_some() {}
        let (schedule, firing, mut stop) = (schedule.clone(), firing.clone(), stop.clone());
        // What was missed while the machine slept is fired once, not as often as it was missed.
        last = next.max(firing.clock.now());
        under_way.spawn(async move { invoke(&schedule, &firing, next, &mut stop).await });
    }
    while under_way.join_next().await.is_some() {}
}

/// Invokes the function, and twice more if it fails.
async fn invoke(schedule: &Schedule, firing: &Firing, time: DateTime<Utc>, stop: &mut watch::Receiver<bool>) {
    let event = event(schedule, firing, time);
    let mut pauses = PAUSES.into_iter();
    loop {
        let Err(failure) = firing.invoker.invoke(&schedule.function, event.clone().into()).await else { return };
        let Schedule { name, function, .. } = schedule;
        let Some(pause) = pauses.next() else {
            tracing::error!(schedule = name, function, "a scheduled invocation was given up: {failure}");
            return;
        };
        tracing::warn!(schedule = name, function, "a scheduled invocation failed: {failure}");
        if wire::pause(stop, pause).await {
            return;
        }
    }
}

/// The event of one firing: the input, or else the event that EventBridge makes.
fn event(schedule: &Schedule, firing: &Firing, time: DateTime<Utc>) -> String {
    let (id, time) = (firing.ids.fresh(), time.to_rfc3339_opts(SecondsFormat::Secs, true));
    let name = &schedule.name;
    let (source, arn, detail) = match schedule.by {
        By::Rule => ("aws.events", format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{name}"), json!({})),
        // Its detail is a text, not an object.
        By::Scheduler => {
            ("aws.scheduler", format!("arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{name}"), json!("{}"))
        }
    };
    match (&schedule.input, schedule.by) {
        (Some(input), By::Rule) => input.clone(),
        // https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
        (Some(input), By::Scheduler) => input
            .replace("<aws.scheduler.schedule-arn>", &arn)
            .replace("<aws.scheduler.scheduled-time>", &time)
            .replace("<aws.scheduler.execution-id>", &id)
            .replace("<aws.scheduler.attempt-number>", "1"),
        (None, _) => json!({
            "version": "0",
            "id": id,
            "detail-type": "Scheduled Event",
            "source": source,
            "account": ACCOUNT,
            "time": time,
            "region": REGION,
            "resources": [arn],
            "detail": detail,
        })
        .to_string(),
    }
}
