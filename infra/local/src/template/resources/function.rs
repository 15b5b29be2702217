//! `AWS::Serverless::Function`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{policy, seconds, whole};
use crate::iam::Policy;
use crate::lambda::FunctionConfig;
use crate::template::described::Described;
use crate::template::inventory::Found;
use crate::template::names::{Kind, Names};
use crate::template::refusal::{Refusal, at, read};
use crate::template::scalar::{OneOrMany, Text, Whole};

/// The most that all variables of a function may weigh.
const LARGEST_ENVIRONMENT: usize = 4096;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Properties {
    #[serde(rename = "FunctionName")]
    _function_name: Option<String>,
    #[serde(rename = "Description")]
    _description: Option<Text>,
    code_uri: String,
    handler: String,
    runtime: String,
    architectures: Option<Vec<String>>,
    memory_size: Option<Whole>,
    timeout: Option<Whole>,
    environment: Option<Environment>,
    policies: Option<OneOrMany<Value>>,
    role: Option<String>,
    #[serde(default)]
    events: BTreeMap<String, Event>,
    logging_config: Option<LoggingConfig>,
    ephemeral_storage: Option<Value>,
    reserved_concurrent_executions: Option<Whole>,
    tracing: Option<Text>,
    recursive_loop: Option<RecursiveLoop>,
    tags: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Environment {
    variables: BTreeMap<String, Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[allow(dead_code, reason = "read to know every property")]
struct LoggingConfig {
    log_format: Option<Text>,
    log_group: Option<Text>,
    application_log_level: Option<Text>,
    system_log_level: Option<Text>,
}

/// What Lambda does when a chain of requests has invoked a function too often.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
enum RecursiveLoop {
    Allow,
    Terminate,
}

/// An event that invokes a function, not looked into yet.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Event {
    pub(crate) r#type: String,
    #[serde(default)]
    pub(crate) properties: Value,
}

/// A function and the events that invoke it.
pub(crate) struct Wired {
    pub(crate) config: FunctionConfig,
    pub(crate) events: BTreeMap<String, Event>,
    /// Whether the template gives it a role of its own, so that SAM adds nothing.
    pub(crate) own_role: bool,
}

/// Reads a function.
pub(crate) fn function(
    found: &Found<'_>,
    properties: Value,
    names: &Names,
    roles: &BTreeMap<String, Policy>,
    described: &mut Described,
) -> Result<Wired, Refusal> {
    let place = found.place.as_str();
    let properties: Properties = read(place, properties)?;
    if properties.handler != "bootstrap" {
        return Refusal::err(at(place, "Handler"), "only bootstrap is known");
    }
    if !properties.runtime.starts_with("provided.") {
        return Refusal::err(at(place, "Runtime"), format_args!("{:?} does not run a binary", properties.runtime));
    }
    described.note(properties.architectures, "architectures");
    described.note(properties.logging_config, "logging configuration");
    described.note(properties.ephemeral_storage, "ephemeral storage");
    described.note(properties.reserved_concurrent_executions, "reserved concurrency");
    described.note(properties.tracing, "tracing");
    described.note(properties.tags, "tags");
    described.note(properties.memory_size, "memory sizes");

    let own_role = properties.role.is_some();
    let policy = match (properties.role, properties.policies) {
        (None, None) => Policy::default(),
        (None, Some(policies)) => policy::of_function(&at(place, "Policies"), policies)?,
        (Some(role), None) => match names.with_arn(Kind::Role, &role).and_then(|role| roles.get(role)) {
            Some(policy) => policy.clone(),
            None => return Refusal::err(at(place, "Role"), format_args!("{role:?} is not a role of this template")),
        },
        (Some(_), Some(_)) => return Refusal::err(at(place, "Policies"), "are ignored where there is a Role"),
    };
    let crate_name = properties.code_uri.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let memory = whole(&at(place, "MemorySize"), properties.memory_size, 128, 128..=10_240)?;
    let timeout = seconds(&at(place, "Timeout"), properties.timeout, 3, 1..=900)?;
    let environment = environment(&at(place, "Environment.Variables"), properties.environment)?;
    let config = FunctionConfig {
        logical_id: found.id.to_owned(),
        name: found.name.to_owned(),
        crate_name,
        memory: u32::try_from(memory).unwrap_or(u32::MAX),
        timeout,
        environment,
        policy,
        may_loop: properties.recursive_loop == Some(RecursiveLoop::Allow),
    };
    Ok(Wired { config, events: properties.events, own_role })
}

fn environment(place: &str, environment: Option<Environment>) -> Result<BTreeMap<String, String>, Refusal> {
    let variables: BTreeMap<String, String> = environment
        .map(|environment| environment.variables)
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| (name, value.0))
        .collect();
    for name in variables.keys() {
        let well_formed = name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.len() > 1
            && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
        if !well_formed || name.starts_with("AWS_") {
            return Refusal::err(at(place, name), "is not a name that Lambda takes for a variable");
        }
    }
    let weight: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if weight > LARGEST_ENVIRONMENT {
        return Refusal::err(place, format_args!("{weight} bytes are more than {LARGEST_ENVIRONMENT}"));
    }
    Ok(variables)
}
