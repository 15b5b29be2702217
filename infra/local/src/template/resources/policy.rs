//! Policies: statements of functions, and `AWS::IAM::Role`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::iam::{Policy, Statement};
use crate::template::described::Described;
use crate::template::refusal::{Refusal, at, read};
use crate::template::scalar::OneOrMany;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Document {
    #[serde(rename = "Version")]
    _version: Option<String>,
    statement: OneOrMany<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Clause {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    effect: String,
    action: OneOrMany<String>,
    resource: OneOrMany<String>,
    condition: Option<BTreeMap<String, BTreeMap<String, OneOrMany<String>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Role {
    #[serde(rename = "RoleName")]
    _role_name: Option<String>,
    #[serde(rename = "Description")]
    _description: Option<String>,
    assume_role_policy_document: Option<Value>,
    #[serde(default)]
    policies: Vec<RolePolicy>,
    tags: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RolePolicy {
    #[serde(rename = "PolicyName")]
    _policy_name: String,
    policy_document: Value,
}

/// Reads what SAM's `Policies` allow a function.
pub(crate) fn of_function(place: &str, policies: OneOrMany<Value>) -> Result<Policy, Refusal> {
    let mut statements = Vec::new();
    for (index, policy) in policies.0.into_iter().enumerate() {
        let place = at(place, index);
        if policy.is_string() || policy.get("Statement").is_none() {
            return Refusal::err(place, "only policies with a Statement are known");
        }
        statements.extend(document(&place, policy)?);
    }
    Ok(Policy { statements })
}

/// Reads what a role allows.
pub(crate) fn role(place: &str, properties: Value, described: &mut Described) -> Result<Policy, Refusal> {
    let role: Role = read(place, properties)?;
    if role.assume_role_policy_document.is_none() {
        return Refusal::err(at(place, "AssumeRolePolicyDocument"), "is missing");
    }
    described.note(role.assume_role_policy_document, "who may assume a role");
    described.note(role.tags, "tags");
    let mut statements = Vec::new();
    for (index, policy) in role.policies.into_iter().enumerate() {
        let place = at(&at(&at(place, "Policies"), index), "PolicyDocument");
        statements.extend(document(&place, policy.policy_document)?);
    }
    Ok(Policy { statements })
}

fn document(place: &str, document: Value) -> Result<Vec<Statement>, Refusal> {
    let document: Document = read(place, document)?;
    let clauses = document.statement.0.into_iter().enumerate();
    clauses
        .map(|(index, clause)| {
            let place = at(&at(place, "Statement"), index);
            let clause: Clause = read(&place, clause)?;
            if clause.effect != "Allow" {
                return Refusal::err(at(&place, "Effect"), "only Allow is known");
            }
            if let Some(action) = clause.action.0.iter().find(|action| !action.contains(':')) {
                return Refusal::err(at(&place, "Action"), format_args!("{action:?} names no service"));
            }
            let leading_keys = clause.condition.map(|condition| leading_keys(&at(&place, "Condition"), condition));
            let (actions, resources) = (clause.action.0, clause.resource.0);
            Ok(Statement { actions, resources, leading_keys: leading_keys.transpose()? })
        })
        .collect()
}

/// The only condition that is known: what the partition keys of items must be like.
fn leading_keys(
    place: &str,
    condition: BTreeMap<String, BTreeMap<String, OneOrMany<String>>>,
) -> Result<Vec<String>, Refusal> {
    const KNOWN: &str = "ForAllValues:StringLike";
    let mut operators = condition.into_iter();
    let (Some((operator, keys)), None) = (operators.next(), operators.next()) else {
        return Refusal::err(place, "only one operator is known");
    };
    if operator != KNOWN {
        return Refusal::err(at(place, operator), format_args!("only {KNOWN} is known"));
    }
    let mut keys = keys.into_iter();
    match (keys.next(), keys.next()) {
        (Some((key, patterns)), None) if key.eq_ignore_ascii_case("dynamodb:LeadingKeys") => Ok(patterns.0),
        _ => Refusal::err(at(place, operator), "only dynamodb:LeadingKeys is known"),
    }
}
