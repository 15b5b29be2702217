//! Queues that functions read.

use serde::Deserialize;

use super::{FilterCriteria, enabled, filters, reports, window};
use crate::lambda::FunctionConfig;
use crate::mapping::QueueMapping;
use crate::template::Template;
use crate::template::names::Names;
use crate::template::refusal::{Refusal, at};
use crate::template::resources::count;
use crate::template::resources::queue::queue_of_arn;
use crate::template::scalar::{Flag, OneOrMany, Whole};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Sqs {
    queue: String,
    enabled: Option<Flag>,
    batch_size: Option<Whole>,
    maximum_batching_window_in_seconds: Option<Whole>,
    function_response_types: Option<OneOrMany<String>>,
    scaling_config: Option<ScalingConfig>,
    filter_criteria: Option<FilterCriteria>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ScalingConfig {
    maximum_concurrency: Whole,
}

/// A mapping of a queue to a function.
pub(super) fn queue(place: &str, function: &str, event: Sqs, names: &Names) -> Result<QueueMapping, Refusal> {
    enabled(place, event.enabled)?;
    let batch_size = count(&at(place, "BatchSize"), event.batch_size, 10, 1..=10_000)?;
    let batching_window = window(place, event.maximum_batching_window_in_seconds)?;
    if batch_size > 10 && batching_window.is_zero() {
        return Refusal::err(at(place, "BatchSize"), "above 10 needs a MaximumBatchingWindowInSeconds");
    }
    let maximum_concurrency = match event.scaling_config {
        None => None,
        Some(scaling) => {
            let place = at(place, "ScalingConfig.MaximumConcurrency");
            Some(count(&place, Some(scaling.maximum_concurrency), 2, 2..=1000)?)
        }
    };
    Ok(QueueMapping {
        function: function.to_owned(),
        queue: queue_of_arn(&at(place, "Queue"), &event.queue, names)?,
        batch_size,
        batching_window,
        report_batch_item_failures: reports(place, event.function_response_types)?,
        maximum_concurrency,
        // https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html
        filters: filters(place, "body", event.filter_criteria)?,
    })
}

/// Lambda refuses a queue that shows a message again while the function may still be at it.
pub(super) fn visible_long_enough(
    place: &str,
    mapping: &QueueMapping,
    function: &FunctionConfig,
    template: &Template,
) -> Result<(), Refusal> {
    let queue = template.queues.iter().find(|queue| queue.name == mapping.queue);
    match queue.filter(|queue| queue.visibility_timeout < function.timeout) {
        None => Ok(()),
        Some(_) => Refusal::err(place, "the queue's VisibilityTimeout is less than the function's Timeout"),
    }
}
