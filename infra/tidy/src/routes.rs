//! The list of routes, from the contract.

use std::fmt::Write as _;

use serde_yaml_ng::Value;

/// The methods of the contract, in the order of the list.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// All roles that a caller can have.
const ROLES: usize = 5;

struct Route {
    tag: String,
    method: String,
    path: String,
    callers: String,
    summary: String,
    function: String,
}

/// `docs/routes.md`.
///
/// # Errors
/// What the contract lacks.
pub(crate) fn document(contract: &str) -> Result<String, String> {
    let contract: Value = serde_yaml_ng::from_str(contract).map_err(|error| error.to_string())?;
    let routes = routes(&contract)?;
    let mut text = "<!-- Written by `cargo tidy --fix` from infra/openapi.yaml. -->\n\
                    # Routes\n\n\
                    The contract is [`infra/openapi.yaml`](../infra/openapi.yaml). \"Owner\" means that callers reach only what \
                    is theirs; an admin reaches everything.\n"
        .to_owned();
    let tags = contract.get("tags").and_then(Value::as_sequence).ok_or("there are no tags")?;
    for tag in tags.iter().filter_map(|tag| tag.get("name")?.as_str()) {
        let of_tag: Vec<&Route> = routes.iter().filter(|route| route.tag == tag).collect();
        if of_tag.is_empty() {
            continue;
        }
        let header = format!("\n## {tag}\n\n| method | path | callers | summary | function |\n|---|---|---|---|---|\n");
        text.push_str(&header);
        for Route { method, path, callers, summary, function, .. } in of_tag {
            let function = format!("[`{function}`](../functions/{function}/src/lib.rs)");
            writeln!(text, "| `{method}` | `{path}` | {callers} | {summary} | {function} |")
                .map_err(|error| error.to_string())?;
        }
    }
    Ok(text)
}

fn routes(contract: &Value) -> Result<Vec<Route>, String> {
    let paths = contract.get("paths").and_then(Value::as_mapping).ok_or("there are no paths")?;
    let mut routes = Vec::new();
    for (path, operations) in paths {
        let path = path.as_str().ok_or("a path is no text")?;
        for method in METHODS {
            let Some(operation) = operations.get(method) else { continue };
            let text = |name: &str| {
                let text = operation.get(name).and_then(Value::as_str).map(str::to_owned);
                text.ok_or_else(|| format!("{method} {path} has no {name}"))
            };
            let tag = operation.get("tags").and_then(|tags| tags.get(0)?.as_str()).map(str::to_owned);
            routes.push(Route {
                tag: tag.ok_or_else(|| format!("{method} {path} has no tag"))?,
                method: method.to_uppercase(),
                path: path.to_owned(),
                callers: callers(operation),
                summary: text("summary")?,
                function: text("x-function").or_else(|_| text("operationId").map(|id| kebab(&id)))?,
            });
        }
    }
    Ok(routes)
}

/// Who may call an operation.
fn callers(operation: &Value) -> String {
    let names = |value: Option<&Value>| -> Vec<String> {
        let names = value.and_then(Value::as_sequence).into_iter().flatten();
        names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let security: Vec<&Value> = operation.get("security").and_then(Value::as_sequence).into_iter().flatten().collect();
    if security.is_empty() {
        return "any caller".to_owned();
    }
    let access = operation.get("x-access");
    let roles = names(access.and_then(|access| access.get("roles")));
    let owners = names(access.and_then(|access| access.get("owners")));
    let mut callers = if roles.is_empty() || roles.len() == ROLES { "any user".to_owned() } else { roles.join(", ") };
    if !owners.is_empty() {
        callers.push_str("; owner");
    }
    if security.iter().any(|scheme| scheme.get("writeKey").is_some()) {
        callers.push_str("; write key");
    }
    callers
}

/// `getQuizStats` as `get-quiz-stats`.
fn kebab(name: &str) -> String {
    name.chars().fold(String::new(), |mut kebab, letter| {
        if letter.is_uppercase() {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
        kebab
    })
}
