//! Schedules: EventBridge's rules, and its scheduler.

use serde::Deserialize;
use serde_json::Value;

use crate::schedule::{By, Plan, Schedule};
use crate::template::described::Described;
use crate::template::refusal::{Refusal, at};
use crate::template::scalar::{Flag, Text, Whole};

/// `Schedule`: a rule of EventBridge.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Rule {
    schedule: String,
    name: Option<String>,
    #[serde(rename = "Description")]
    _description: Option<Text>,
    input: Option<String>,
    enabled: Option<Flag>,
    state: Option<String>,
    retry_policy: Option<RetryPolicy>,
}

/// `ScheduleV2`: a schedule of EventBridge Scheduler.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Scheduled {
    schedule_expression: String,
    schedule_expression_timezone: Option<String>,
    flexible_time_window: Option<FlexibleTimeWindow>,
    name: Option<String>,
    #[serde(rename = "Description")]
    _description: Option<Text>,
    input: Option<String>,
    state: Option<String>,
    retry_policy: Option<RetryPolicy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct FlexibleTimeWindow {
    mode: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[allow(dead_code, reason = "read to know every property")]
struct RetryPolicy {
    maximum_retry_attempts: Option<Whole>,
    maximum_event_age_in_seconds: Option<Whole>,
}

/// The part that both kinds share.
struct Common {
    by: By,
    expression: String,
    input: Option<String>,
    enabled: Option<Flag>,
    state: Option<String>,
}

/// A rule that fires a function; without a name of its own it gets this one.
pub(super) fn rule(
    place: &str,
    function: &str,
    name: String,
    event: Rule,
    described: &mut Described,
) -> Result<Schedule, Refusal> {
    // Covers failures between EventBridge and Lambda, which cannot occur here.
    described.note(event.retry_policy, "retry policies of schedules");
    let common = Common {
        by: By::Rule,
        expression: event.schedule,
        input: event.input,
        enabled: event.enabled,
        state: event.state,
    };
    schedule(place, "Schedule", function, event.name.unwrap_or(name), common)
}

/// A schedule that fires a function; without a name of its own it gets this one.
pub(super) fn scheduled(
    place: &str,
    function: &str,
    name: String,
    event: Scheduled,
    described: &mut Described,
) -> Result<Schedule, Refusal> {
    if event.schedule_expression_timezone.is_some_and(|zone| zone != "UTC") {
        return Refusal::err(at(place, "ScheduleExpressionTimezone"), "only UTC is known");
    }
    if event.flexible_time_window.is_some_and(|window| window.mode != "OFF") {
        return Refusal::err(at(place, "FlexibleTimeWindow.Mode"), "only OFF is known");
    }
    described.note(event.retry_policy, "retry policies of schedules");
    let common = Common {
        by: By::Scheduler,
        expression: event.schedule_expression,
        input: event.input,
        enabled: None,
        state: event.state,
    };
    schedule(place, "ScheduleExpression", function, event.name.unwrap_or(name), common)
}

fn schedule(place: &str, expression: &str, function: &str, name: String, common: Common) -> Result<Schedule, Refusal> {
    Plan::parse(&common.expression).map_err(|problem| Refusal::new(at(place, expression), problem))?;
    let enabled = match common.state.as_deref() {
        None => common.enabled.is_none_or(|flag| flag.0),
        Some("ENABLED") => true,
        Some("DISABLED") => false,
        Some(other) => return Refusal::err(at(place, "State"), format_args!("{other:?} is not known")),
    };
    if let Some(Err(error)) = common.input.as_ref().map(|input| serde_json::from_str::<Value>(input)) {
        return Refusal::err(at(place, "Input"), error);
    }
    let Common { by, expression, input, .. } = common;
    Ok(Schedule { name, function: function.to_owned(), by, expression, input, enabled })
}
