//! Streams of tables.

use serde::Deserialize;

use super::{FilterCriteria, enabled, filters, reports, window};
use crate::mapping::{StartingPosition, StreamMapping};
use crate::template::Template;
use crate::template::names::Names;
use crate::template::refusal::{Refusal, at};
use crate::template::resources::queue::queue_of_arn;
use crate::template::resources::{count, seconds, whole};
use crate::template::scalar::{Flag, OneOrMany, Whole};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Stream {
    stream: String,
    starting_position: String,
    enabled: Option<Flag>,
    batch_size: Option<Whole>,
    maximum_batching_window_in_seconds: Option<Whole>,
    maximum_retry_attempts: Option<Whole>,
    maximum_record_age_in_seconds: Option<Whole>,
    bisect_batch_on_function_error: Option<Flag>,
    parallelization_factor: Option<Whole>,
    function_response_types: Option<OneOrMany<String>>,
    destination_config: Option<DestinationConfig>,
    filter_criteria: Option<FilterCriteria>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DestinationConfig {
    on_failure: OnFailure,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct OnFailure {
    r#type: Option<String>,
    destination: String,
}

/// A mapping of a stream to a function.
pub(super) fn stream(
    place: &str,
    function: &str,
    event: Stream,
    names: &Names,
    template: &Template,
) -> Result<StreamMapping, Refusal> {
    let table = names
        .with_stream_arn(&event.stream)
        .and_then(|id| template.tables.iter().find(|table| table.logical_id == id && table.stream_view.is_some()));
    let Some(table) = table else {
        return Refusal::err(at(place, "Stream"), format_args!("{:?} is not a stream of this template", event.stream));
    };
    enabled(place, event.enabled)?;
    let starting_position = match event.starting_position.as_str() {
        "TRIM_HORIZON" => StartingPosition::TrimHorizon,
        "LATEST" => StartingPosition::Latest,
        other => return Refusal::err(at(place, "StartingPosition"), format_args!("{other:?} is not known")),
    };
    let attempts = at(place, "MaximumRetryAttempts");
    let attempts = whole(&attempts, event.maximum_retry_attempts, -1, -1..=10_000)?;
    let age_place = at(place, "MaximumRecordAgeInSeconds");
    let maximum_record_age = match event.maximum_record_age_in_seconds {
        None | Some(Whole(-1)) => None,
        age => Some(seconds(&age_place, age, 60, 60..=604_800)?),
    };
    let on_failure_queue = match event.destination_config {
        None => None,
        Some(DestinationConfig { on_failure }) => {
            let place = at(place, "DestinationConfig.OnFailure");
            if on_failure.r#type.is_some_and(|kind| kind != "SQS") {
                return Refusal::err(at(&place, "Type"), "only SQS is known");
            }
            Some(queue_of_arn(&at(&place, "Destination"), &on_failure.destination, names)?)
        }
    };
    Ok(StreamMapping {
        function: function.to_owned(),
        table: table.name.clone(),
        batch_size: count(&at(place, "BatchSize"), event.batch_size, 100, 1..=10_000)?,
        batching_window: window(place, event.maximum_batching_window_in_seconds)?,
        starting_position,
        maximum_retry_attempts: i32::try_from(attempts).unwrap_or(-1),
        maximum_record_age,
        bisect: event.bisect_batch_on_function_error.is_some_and(|flag| flag.0),
        parallelization_factor: count(&at(place, "ParallelizationFactor"), event.parallelization_factor, 1, 1..=10)?,
        report_batch_item_failures: reports(place, event.function_response_types)?,
        on_failure_queue,
        // https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html
        filters: filters(place, "dynamodb", event.filter_criteria)?,
    })
}
