//! `template.yaml`, read into what the local cloud makes of it.
//!
//! Reading goes in steps: YAML with CloudFormation's tags (`document`), parameters, names of resources,
//! intrinsic functions (`resolve`), and then one module per kind of resource (`resources`), each with
//! the properties that it knows.
//!
//! Architecture invariant: nothing in the template is ignored. What is not known is refused with its
//! place; what is known but not simulated is listed by [`Template::described`].

mod described;
mod document;
mod inventory;
mod names;
mod parameters;
mod refusal;
mod resolve;
mod resources;
mod scalar;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

pub use described::Described;
pub use refusal::Refusal;

use crate::dynamodb::TableConfig;
use crate::gateway::ApiConfig;
use crate::iam::Policy;
use crate::lambda::FunctionConfig;
use crate::mapping::{QueueMapping, StreamMapping};
use crate::schedule::Schedule;
use crate::sqs::QueueConfig;
use crate::wire::{ACCOUNT, REGION};
use inventory::Inventory;
use names::{Kind, Names};
use refusal::{at, read};
use resolve::Scope;
use resources::{api, described as described_only, events, function, policy, queue, table};

/// What surrounds a template.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The name of the stack.
    pub stack: String,
    /// The base URL of SQS, which URLs of queues begin with.
    pub sqs_url: String,
    /// The values of parameters that are given.
    pub parameters: BTreeMap<String, String>,
}

/// Everything that a template describes.
#[derive(Debug, Default)]
pub struct Template {
    /// Functions by logical id.
    pub functions: BTreeMap<String, FunctionConfig>,
    /// Tables.
    pub tables: Vec<TableConfig>,
    /// Queues.
    pub queues: Vec<QueueConfig>,
    /// Mappings of streams to functions.
    pub stream_mappings: Vec<StreamMapping>,
    /// Mappings of queues to functions.
    pub queue_mappings: Vec<QueueMapping>,
    /// Schedules.
    pub schedules: Vec<Schedule>,
    /// The HTTP API, if there is one.
    pub api: Option<ApiConfig>,
    /// What is described, but not simulated.
    pub described: Described,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[allow(dead_code, reason = "read to know every property")]
struct Output {
    description: Option<String>,
    value: scalar::Text,
    export: Option<Value>,
    condition: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(rename = "RuleCondition")]
    condition: Option<Value>,
    #[serde(rename = "Assertions")]
    assertions: Vec<Assertion>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Assertion {
    #[serde(rename = "Assert")]
    assert: Value,
    #[serde(rename = "AssertDescription")]
    description: Option<String>,
}

/// Names of the template's parameters.
///
/// # Errors
/// The template is not one.
pub fn parameter_names(text: &str) -> Result<Vec<String>, Refusal> {
    let mut root = document::parse(text)?;
    Ok(document::section(&mut root, "Parameters")?.keys().cloned().collect())
}

/// Reads a template.
///
/// # Errors
/// The first place with something that is missing, wrong or unknown.
pub fn read_template(text: &str, surroundings: &Surroundings) -> Result<Template, Refusal> {
    let mut root = document::parse(text)?;
    let mut template = Template::default();
    template.described.note(root.get("Metadata"), "metadata");
    let mut scope = scope(&mut root, surroundings)?;
    rules(&mut root, &scope)?;
    let globals = globals(&mut root)?;
    let resources = document::section(&mut root, "Resources")?;
    let found = Inventory::new(resources, &globals, &mut scope, &mut template.described)?;

    let mut roles = BTreeMap::new();
    for found in found.of_kind(&[Kind::Role]) {
        let policy = policy::role(&found.place, found.properties(&scope)?, &mut template.described)?;
        roles.insert(found.id.to_owned(), policy);
    }
    for found in found.of_kind(&[Kind::Table]) {
        let properties = found.properties(&scope)?;
        template.tables.push(table::table(&found, properties, &mut template.described)?);
    }
    for found in found.of_kind(&[Kind::Queue]) {
        let properties = found.properties(&scope)?;
        let queue = queue::queue(&found, properties, &scope.names, &mut template.described)?;
        template.queues.push(queue);
    }
    for found in found.of_kind(&[Kind::LogGroup, Kind::Alarm, Kind::Dashboard]) {
        described_only::check(found.kind, &found.place, found.properties(&scope)?, &mut template.described)?;
    }
    let mut api = None;
    for found in found.of_kind(&[Kind::HttpApi]) {
        if api.is_some() {
            return Refusal::err(&found.place, "a second API is not known");
        }
        let api_id = scope.names.reference(&found.place, found.id)?;
        let properties = found.properties(&scope)?;
        api = Some(api::api(&found.place, api_id, properties, &scope.names, &mut template.described)?);
    }
    functions(&found, &scope, &roles, &mut api, &mut template)?;
    if let (Some(api), Some(found)) = (&api, found.of_kind(&[Kind::HttpApi]).next()) {
        api::check_routes(&found.place, &api.config)?;
    }
    template.api = api.map(|api| api.config);
    outputs(&mut root, &scope, &mut template.described)?;
    Ok(template)
}

fn scope(root: &mut Map<String, Value>, surroundings: &Surroundings) -> Result<Scope, Refusal> {
    let mut values = parameters::values(document::section(root, "Parameters")?, &surroundings.parameters)?;
    for (name, value) in [
        ("AWS::AccountId", ACCOUNT),
        ("AWS::Partition", "aws"),
        ("AWS::Region", REGION),
        ("AWS::StackName", &surroundings.stack),
        ("AWS::URLSuffix", "amazonaws.com"),
    ] {
        values.insert(name.to_owned(), Value::from(value));
    }
    Ok(Scope {
        values,
        mappings: document::section(root, "Mappings")?,
        conditions: document::section(root, "Conditions")?,
        names: Names::new(&surroundings.sqs_url),
    })
}

/// Checks the parameters' values against the template's rules, as CloudFormation does before it creates anything
/// ([Rules](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html)).
fn rules(root: &mut Map<String, Value>, scope: &Scope) -> Result<(), Refusal> {
    for (name, rule) in document::section(root, "Rules")? {
        let place = at("Rules", &name);
        let rule: Rule = read(&place, rule)?;
        if let Some(condition) = &rule.condition
            && !scope.holds(&at(&place, "RuleCondition"), condition)?
        {
            continue;
        }
        for (index, assertion) in rule.assertions.iter().enumerate() {
            let place = at(&at(&place, "Assertions"), index);
            if !scope.holds(&at(&place, "Assert"), &assertion.assert)? {
                return Refusal::err(place, assertion.description.as_deref().unwrap_or("does not hold"));
            }
        }
    }
    Ok(())
}

fn globals(root: &mut Map<String, Value>) -> Result<Value, Refusal> {
    let mut globals = document::section(root, "Globals")?;
    let of_functions = globals.remove("Function").unwrap_or(Value::Object(Map::new()));
    match globals.keys().next() {
        None => Ok(of_functions),
        Some(unknown) => Refusal::err(at("Globals", unknown), "only globals of functions are known"),
    }
}

fn functions(
    found: &Inventory,
    scope: &Scope,
    roles: &BTreeMap<String, Policy>,
    api: &mut Option<api::Api>,
    template: &mut Template,
) -> Result<(), Refusal> {
    for found in found.of_kind(&[Kind::Function]) {
        let properties = found.properties(scope)?;
        let wired = function::function(&found, properties, &scope.names, roles, &mut template.described)?;
        let crate_name = &wired.config.crate_name;
        if template.functions.values().any(|other| other.crate_name == *crate_name) {
            return Refusal::err(at(&found.place, "CodeUri"), format_args!("{crate_name:?} is a function already"));
        }
        events::wire(&at(&found.place, "Events"), found.id, wired, &scope.names, api, template)?;
    }
    Ok(())
}

fn outputs(root: &mut Map<String, Value>, scope: &Scope, described: &mut Described) -> Result<(), Refusal> {
    for (name, output) in document::section(root, "Outputs")? {
        let place = at("Outputs", &name);
        let resolved = scope.resolve(&place, &output)?.unwrap_or_default();
        let output: Output = read(&place, resolved)?;
        described.note(Some(output), "outputs");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
