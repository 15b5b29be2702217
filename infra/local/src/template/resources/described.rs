//! Resources that are only described: nothing local comes of them, but their properties must be known.

use serde::Deserialize;
use serde_json::Value;

use crate::template::described::Described;
use crate::template::names::Kind;
use crate::template::refusal::{Refusal, read};
use crate::template::scalar::{Text, Whole};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[allow(dead_code, reason = "read to know every property")]
struct LogGroup {
    log_group_name: Option<Text>,
    retention_in_days: Option<Whole>,
    log_group_class: Option<Text>,
    kms_key_id: Option<Text>,
    deletion_protection_enabled: Option<Value>,
    tags: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[allow(dead_code, reason = "read to know every property")]
struct Alarm {
    alarm_name: Option<Text>,
    alarm_description: Option<Text>,
    actions_enabled: Option<Value>,
    alarm_actions: Option<Vec<Text>>,
    #[serde(rename = "OKActions")]
    ok_actions: Option<Vec<Text>>,
    insufficient_data_actions: Option<Vec<Text>>,
    namespace: Option<Text>,
    metric_name: Option<Text>,
    dimensions: Option<Vec<Dimension>>,
    statistic: Option<Text>,
    extended_statistic: Option<Text>,
    metrics: Option<Value>,
    period: Option<Whole>,
    unit: Option<Text>,
    evaluation_periods: Whole,
    datapoints_to_alarm: Option<Whole>,
    threshold: Option<Text>,
    threshold_metric_id: Option<Text>,
    comparison_operator: Text,
    treat_missing_data: Option<Text>,
    tags: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[allow(dead_code, reason = "read to know every property")]
struct Dimension {
    name: Text,
    value: Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[allow(dead_code, reason = "read to know every property")]
struct Dashboard {
    dashboard_name: Option<Text>,
    dashboard_body: Text,
}

/// Reads a resource that nothing local comes of.
pub(crate) fn check(kind: Kind, place: &str, properties: Value, described: &mut Described) -> Result<(), Refusal> {
    let what = match kind {
        Kind::LogGroup => read::<LogGroup>(place, properties).map(|_| "log groups")?,
        Kind::Alarm => read::<Alarm>(place, properties).map(|_| "alarms")?,
        _ => read::<Dashboard>(place, properties).map(|_| "dashboards")?,
    };
    described.note(Some(()), what);
    Ok(())
}
