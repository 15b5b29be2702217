//! `AWS::DynamoDB::Table`.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::whole;
use crate::dynamodb::{Attribute, AttributeKind, IndexConfig, KeySchema, Projection, StreamView, TableConfig};
use crate::template::described::Described;
use crate::template::inventory::Found;
use crate::template::refusal::{Refusal, at, read};
use crate::template::scalar::{Flag, Whole};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Properties {
    #[serde(rename = "TableName")]
    _table_name: Option<String>,
    billing_mode: String,
    attribute_definitions: Vec<AttributeDefinition>,
    key_schema: Vec<KeyElement>,
    #[serde(default)]
    global_secondary_indexes: Vec<Index>,
    #[serde(default)]
    local_secondary_indexes: Vec<Index>,
    stream_specification: Option<StreamSpecification>,
    time_to_live_specification: Option<TimeToLive>,
    point_in_time_recovery_specification: Option<Value>,
    #[serde(rename = "SSESpecification")]
    sse_specification: Option<Value>,
    on_demand_throughput: Option<OnDemandThroughput>,
    deletion_protection_enabled: Option<Flag>,
    table_class: Option<String>,
    contributor_insights_specification: Option<Value>,
    tags: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct AttributeDefinition {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct KeyElement {
    attribute_name: String,
    key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Index {
    index_name: String,
    key_schema: Vec<KeyElement>,
    projection: IndexProjection,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct IndexProjection {
    projection_type: String,
    #[serde(default)]
    non_key_attributes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct StreamSpecification {
    stream_view_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct OnDemandThroughput {
    max_read_request_units: Option<Whole>,
    max_write_request_units: Option<Whole>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TimeToLive {
    attribute_name: String,
    enabled: Flag,
}

/// Reads a table.
pub(crate) fn table(found: &Found<'_>, properties: Value, described: &mut Described) -> Result<TableConfig, Refusal> {
    let place = found.place.as_str();
    let properties: Properties = read(place, properties)?;
    if properties.billing_mode != "PAY_PER_REQUEST" {
        return Refusal::err(at(place, "BillingMode"), "only PAY_PER_REQUEST is known");
    }
    described.note(properties.point_in_time_recovery_specification, "point-in-time recovery");
    described.note(properties.sse_specification, "encryption at rest");
    if let Some(throughput) = properties.on_demand_throughput {
        let place = at(place, "OnDemandThroughput");
        let limits = 1..=i64::MAX;
        whole(&at(&place, "MaxReadRequestUnits"), throughput.max_read_request_units, 1, limits.clone())?;
        whole(&at(&place, "MaxWriteRequestUnits"), throughput.max_write_request_units, 1, limits)?;
        described.note(Some(throughput), "maxima of throughput");
    }
    described.note(properties.deletion_protection_enabled, "deletion protection");
    described.note(properties.table_class, "table class");
    described.note(properties.contributor_insights_specification, "contributor insights");
    described.note(properties.tags, "tags");

    let mut attributes = Vec::new();
    for (index, attribute) in properties.attribute_definitions.into_iter().enumerate() {
        let place = at(&at(&at(place, "AttributeDefinitions"), index), "AttributeType");
        let Some(kind) = AttributeKind::parse(&attribute.attribute_type) else {
            return Refusal::err(place, format_args!("{:?} is not S, N or B", attribute.attribute_type));
        };
        attributes.push(Attribute { name: attribute.attribute_name, kind });
    }
    let key_schema = key(&at(place, "KeySchema"), properties.key_schema)?;
    let gsis = indexes(&at(place, "GlobalSecondaryIndexes"), properties.global_secondary_indexes)?;
    let lsis = indexes(&at(place, "LocalSecondaryIndexes"), properties.local_secondary_indexes)?;

    let keys = [&key_schema].into_iter().chain(gsis.iter().chain(&lsis).map(|index| &index.key_schema));
    let used: BTreeSet<&str> =
        keys.flat_map(|key| [Some(&key.hash), key.range.as_ref()]).flatten().map(String::as_str).collect();
    let defined: BTreeSet<&str> = attributes.iter().map(|attribute| attribute.name.as_str()).collect();
    if let Some(stray) = used.symmetric_difference(&defined).next() {
        return Refusal::err(
            at(place, "AttributeDefinitions"),
            format_args!("defines exactly the attributes of keys, which {stray:?} breaks"),
        );
    }

    let stream_view = match properties.stream_specification {
        None => None,
        Some(StreamSpecification { stream_view_type: view }) => Some(StreamView::parse(&view).ok_or_else(|| {
            Refusal::new(at(place, "StreamSpecification.StreamViewType"), format_args!("{view:?} is not known"))
        })?),
    };
    Ok(TableConfig {
        logical_id: found.id.to_owned(),
        name: found.name.to_owned(),
        attributes,
        key_schema,
        gsis,
        lsis,
        stream_view,
        ttl_attribute: properties.time_to_live_specification.filter(|ttl| ttl.enabled.0).map(|ttl| ttl.attribute_name),
    })
}

fn key(place: &str, elements: Vec<KeyElement>) -> Result<KeySchema, Refusal> {
    let mut elements = elements.into_iter();
    match (elements.next(), elements.next(), elements.next()) {
        (Some(hash), range, None)
            if hash.key_type == "HASH" && range.as_ref().is_none_or(|range| range.key_type == "RANGE") =>
        {
            Ok(KeySchema { hash: hash.attribute_name, range: range.map(|range| range.attribute_name) })
        }
        _ => Refusal::err(place, "is not one HASH key with at most one RANGE key behind it"),
    }
}

fn indexes(place: &str, indexes: Vec<Index>) -> Result<Vec<IndexConfig>, Refusal> {
    indexes
        .into_iter()
        .enumerate()
        .map(|(position, index)| {
            let place = at(place, position);
            let projection = match (index.projection.projection_type.as_str(), index.projection.non_key_attributes) {
                ("ALL", attributes) if attributes.is_empty() => Projection::All,
                ("KEYS_ONLY", attributes) if attributes.is_empty() => Projection::KeysOnly,
                ("INCLUDE", attributes) if !attributes.is_empty() => Projection::Include(attributes),
                _ => {
                    return Refusal::err(at(&place, "Projection"), "is not ALL, KEYS_ONLY, or INCLUDE with attributes");
                }
            };
            let key_schema = key(&at(&place, "KeySchema"), index.key_schema)?;
            Ok(IndexConfig { name: index.index_name, key_schema, projection })
        })
        .collect()
}
