//! Operations of the contract, and sample requests built from its schemas.

use http::Method;
use serde_json::{Map, Value, json};

/// An operation of the contract.
pub(super) struct Operation<'a> {
    pub(super) contract: &'a Value,
    pub(super) id: &'a str,
    pub(super) method: Method,
    pub(super) path: &'a str,
    item: &'a Value,
    it: &'a Value,
}

/// The place of a value in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    Body,
}

/// A part of the contract, with its reference resolved.
pub(super) fn resolved<'a>(contract: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => resolved(contract, contract.pointer(reference.trim_start_matches('#')).unwrap()),
        None => value,
    }
}

/// All operations.
pub(super) fn operations(contract: &Value) -> Vec<Operation<'_>> {
    let mut operations = Vec::new();
    for (path, item) in contract["paths"].as_object().unwrap() {
        for (method, it) in item.as_object().unwrap().iter().filter(|(_, it)| it["operationId"].is_string()) {
            let (id, method) = (it["operationId"].as_str().unwrap(), method.to_uppercase().parse().unwrap());
            operations.push(Operation { contract, id, method, path, item, it });
        }
    }
    operations
}

/// The operation with an id.
pub(super) fn operation<'a>(contract: &'a Value, id: &str) -> Operation<'a> {
    operations(contract).into_iter().find(|one| one.id == id).unwrap_or_else(|| panic!("no operation {id}"))
}

impl<'a> Operation<'a> {
    /// A field of the operation, such as an extension.
    pub(super) fn extension(&self, name: &str) -> &'a Value {
        &self.it[name]
    }

    /// Whether the operation accepts these credentials.
    pub(super) fn accepts(&self, scheme: &str) -> bool {
        self.it["security"].as_array().unwrap().iter().any(|one| one.get(scheme).is_some())
    }

    pub(super) fn is_public(&self) -> bool {
        self.it["security"].as_array().unwrap_or_else(|| panic!("{} states no security", self.id)).is_empty()
    }

    /// The parameters in the path, query or header.
    pub(super) fn parameters(&self, kind: &str) -> Vec<&'a Value> {
        let of = |value: &'a Value| value["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        let all = of(self.item).iter().chain(of(self.it)).map(|one| resolved(self.contract, one));
        all.filter(|one| one["in"] == kind).collect()
    }

    /// The schema of the JSON body, and its first example.
    pub(super) fn body(&self) -> Option<(&'a Value, &'a Value)> {
        let content = &self.it["requestBody"]["content"]["application/json"];
        let first = content["examples"].as_object().and_then(|all| all.values().next());
        let example = first.map_or(&content["example"], |one| &resolved(self.contract, one)["value"]);
        content.is_object().then(|| (resolved(self.contract, &content["schema"]), example))
    }

    /// All fields of the body by name, with their schemas.
    pub(super) fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        if let Some((schema, _)) = self.body() {
            collect(self.contract, schema, &mut fields);
        }
        fields
    }

    /// A valid body: `x-access.body` if given, else the required fields and those of the example. Optional ids are left out.
    pub(super) fn sample(&self) -> Option<Map<String, Value>> {
        let (schema, example) = self.body()?;
        if let Some(body) = self.it["x-access"]["body"].as_object() {
            return Some(body.clone());
        }
        let required = sample(self.contract, schema, "body");
        let mut body = required.as_object().cloned().unwrap_or_default();
        let is_id = |name: &str| name.ends_with("Id");
        for (name, value) in example.as_object().into_iter().flatten() {
            if !is_id(name) || body.contains_key(name) {
                body.insert(name.clone(), value.clone());
            }
        }
        Some(body)
    }

    /// The values that a request needs, path first, with their places.
    pub(super) fn needed(&self) -> Vec<(String, Place)> {
        let name = |one: &&Value| one["name"].as_str().unwrap().to_owned();
        let path = self.parameters("path").iter().map(name).map(|name| (name, Place::Path)).collect::<Vec<_>>();
        let query = self.parameters("query");
        let query = query.iter().filter(|one| one["required"] == true).map(name).map(|name| (name, Place::Query));
        let body = self.sample().unwrap_or_default().into_iter().map(|(name, _)| (name, Place::Body));
        let with =
            self.it["x-access"]["with"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap().to_owned());
        let with = with.filter_map(|name| self.place(&name).map(|place| (name, place)));
        path.into_iter().chain(query).chain(body).chain(with).collect()
    }

    /// The place of a value in a request.
    pub(super) fn place(&self, name: &str) -> Option<Place> {
        let is_in = |kind| self.parameters(kind).iter().any(|one| one["name"] == name);
        if is_in("path") {
            return Some(Place::Path);
        }
        if is_in("query") {
            return Some(Place::Query);
        }
        self.fields().contains_key(name).then_some(Place::Body)
    }

    /// A valid value of a query parameter.
    pub(super) fn query_sample(&self, name: &str) -> Value {
        let parameters = self.parameters("query");
        let parameter = parameters.iter().find(|one| one["name"] == name).unwrap();
        match sample(self.contract, &parameter["schema"], name) {
            Value::Array(values) => values[0].clone(),
            value => value,
        }
    }
}

fn collect(contract: &Value, schema: &Value, fields: &mut Map<String, Value>) {
    let schema = resolved_once(contract, schema, fields);
    for (name, of) in schema["properties"].as_object().into_iter().flatten() {
        fields.insert(name.clone(), of.clone());
    }
    for of in ["allOf", "oneOf", "anyOf"].iter().flat_map(|of| schema[of].as_array().into_iter().flatten()) {
        collect(contract, of, fields);
    }
}

/// Collects the fields of a referenced schema; the schema itself may have more.
fn resolved_once<'a>(contract: &'a Value, schema: &'a Value, fields: &mut Map<String, Value>) -> &'a Value {
    if let Some(reference) = schema["$ref"].as_str() {
        collect(contract, contract.pointer(reference.trim_start_matches('#')).unwrap(), fields);
    }
    schema
}

/// The smallest value that matches a schema.
pub(super) fn sample(contract: &Value, schema: &Value, name: &str) -> Value {
    let beside = schema;
    let schema = resolved(contract, schema);
    for given in [&beside["example"], &beside["examples"][0], &schema["example"], &schema["examples"][0]] {
        if !given.is_null() && !name.ends_with("Id") {
            return given.clone();
        }
    }
    if !schema["const"].is_null() {
        return schema["const"].clone();
    }
    if let Some(first) = schema["enum"].as_array().and_then(|all| all.first()) {
        return first.clone();
    }
    let mut object = Map::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        object.extend(sample(contract, part, name).as_object().cloned().unwrap_or_default());
    }
    for of in ["oneOf", "anyOf"] {
        if let Some(first) = schema[of].as_array().and_then(|all| all.first()) {
            match sample(contract, first, name) {
                Value::Object(first) => object.extend(first),
                value => return value,
            }
        }
    }
    let properties = |field: &str| {
        let own = &schema["properties"][field];
        if own.is_null() { sample_in_variant(contract, schema, field) } else { sample(contract, own, field) }
    };
    for field in schema["required"].as_array().into_iter().flatten().map(|field| field.as_str().unwrap()) {
        if !object.contains_key(field) {
            object.insert(field.to_owned(), properties(field));
        }
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind {
        Some("string") => match schema["format"].as_str() {
            Some("date-time") => json!("2026-01-31T09:30:00Z"),
            Some("date") => json!("2026-01-31"),
            _ if schema["pattern"] == "^[A-Z]{3}$" => json!("USD"),
            _ => json!("x"),
        },
        Some("integer" | "number") => {
            let least = schema["minimum"].as_i64().unwrap_or_default();
            json!(least.max(1))
        }
        Some("boolean") => json!(true),
        Some("array") => json!([sample(contract, &schema["items"], name)]),
        _ => Value::Object(object),
    }
}

fn sample_in_variant(contract: &Value, schema: &Value, field: &str) -> Value {
    let first = schema["oneOf"].as_array().and_then(|all| all.first()).map(|first| &first["properties"][field]);
    first.map_or(Value::Null, |of| sample(contract, of, field))
}
