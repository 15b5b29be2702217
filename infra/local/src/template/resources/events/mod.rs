//! The events that invoke functions: routes, streams, queues and schedules.

mod queue;
mod route;
mod schedule;
mod stream;

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::api::Api;
use super::function::{Event, Wired};
use super::seconds;
use crate::iam::{Access, Policy};
use crate::mapping::{Filters, queue_accesses, stream_accesses};
use crate::template::Template;
use crate::template::names::Names;
use crate::template::refusal::{Refusal, at, read};
use crate::template::scalar::{Flag, OneOrMany, Whole};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct FilterCriteria {
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Filter {
    pattern: String,
}

/// Wires a function to everything that invokes it.
pub(crate) fn wire(
    place: &str,
    function: &str,
    wired: Wired,
    names: &Names,
    api: &mut Option<Api>,
    template: &mut Template,
) -> Result<(), Refusal> {
    for (name, event) in wired.events {
        let Event { r#type: kind, properties } = event;
        let event_place = at(place, name.as_str());
        let place = at(&event_place, "Properties");
        match kind.as_str() {
            "HttpApi" => route::route(&place, function, read(&place, properties)?, api)?,
            "DynamoDB" => {
                let mapping = stream::stream(&place, function, read(&place, properties)?, names, template)?;
                if wired.own_role {
                    allowed(&at(&event_place, "Type"), &wired.config.policy, &stream_accesses(&mapping))?;
                }
                template.stream_mappings.push(mapping);
            }
            "SQS" => {
                let mapping = queue::queue(&place, function, read(&place, properties)?, names)?;
                if wired.own_role {
                    allowed(&at(&event_place, "Type"), &wired.config.policy, &queue_accesses(&mapping))?;
                }
                queue::visible_long_enough(&at(&place, "Queue"), &mapping, &wired.config, template)?;
                template.queue_mappings.push(mapping);
            }
            "Schedule" => {
                let event = read(&place, properties)?;
                let name = format!("{function}{name}");
                template.schedules.push(schedule::rule(&place, function, name, event, &mut template.described)?);
            }
            "ScheduleV2" => {
                let event = read(&place, properties)?;
                let name = format!("{function}{name}");
                template.schedules.push(schedule::scheduled(&place, function, name, event, &mut template.described)?);
            }
            unknown => return Refusal::err(at(&event_place, "Type"), format_args!("{unknown:?} is not a known event")),
        }
    }
    template.functions.insert(function.to_owned(), wired.config);
    Ok(())
}

/// SAM adds the permissions of a mapping to the roles that it generates. A role in the template must list them.
fn allowed(place: &str, policy: &Policy, needed: &[Access]) -> Result<(), Refusal> {
    match policy.first_denied(needed) {
        None => Ok(()),
        Some(denied) => Refusal::err(
            place,
            format_args!("the function's role does not allow {} on {}", denied.action, denied.resource),
        ),
    }
}

fn enabled(place: &str, enabled: Option<Flag>) -> Result<(), Refusal> {
    match enabled {
        Some(Flag(false)) => Refusal::err(at(place, "Enabled"), "a mapping that is off is not known"),
        _ => Ok(()),
    }
}

fn window(place: &str, given: Option<Whole>) -> Result<Duration, Refusal> {
    seconds(&at(place, "MaximumBatchingWindowInSeconds"), given, 0, 0..=300)
}

fn reports(place: &str, types: Option<OneOrMany<String>>) -> Result<bool, Refusal> {
    let types = types.map(|types| types.0).unwrap_or_default();
    match types.iter().find(|kind| *kind != "ReportBatchItemFailures") {
        None => Ok(!types.is_empty()),
        Some(other) => Refusal::err(at(place, "FunctionResponseTypes"), format_args!("{other:?} is not known")),
    }
}

/// Reads patterns, which may look at one field of a record alone.
fn filters(place: &str, field: &str, criteria: Option<FilterCriteria>) -> Result<Vec<Value>, Refusal> {
    let mut patterns = Vec::new();
    for (index, filter) in criteria.map(|criteria| criteria.filters).unwrap_or_default().into_iter().enumerate() {
        let place = at(&at(&at(place, "FilterCriteria.Filters"), index), "Pattern");
        let pattern: Value = serde_json::from_str(&filter.pattern).map_err(|error| Refusal::new(&place, error))?;
        let compiled = Filters::compile(std::slice::from_ref(&pattern)).map_err(|error| Refusal::new(&place, error))?;
        if let Some(other) = compiled.other_than(field) {
            return Refusal::err(
                place,
                format_args!("Lambda filters these records by {field:?} alone, not by {other:?}"),
            );
        }
        patterns.push(pattern);
    }
    Ok(patterns)
}
