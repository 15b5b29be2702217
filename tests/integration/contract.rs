//! The contract: `infra/openapi.yaml`, the template's routes and what the functions answer say the same.

use std::collections::BTreeSet;

use http::Method;
use runtime::http::Kind;
use serde_json::{Value, json};

use crate::support::app::{Answer, App, event};
use crate::tidy::read;

pub(crate) fn contract() -> Value {
    serde_yaml_ng::from_str(&read("infra/openapi.yaml")).unwrap()
}

/// A name in camel case as one in kebab case: `putTrack` is `put-track`.
fn kebab(name: &str) -> String {
    let dash = |letter: char| if letter.is_uppercase() { format!("-{}", letter.to_lowercase()) } else { letter.into() };
    name.chars().map(dash).collect()
}

/// `METHOD /path` of every operation, with the function that serves it: the one of its id, if no other is named.
fn operations(contract: &Value) -> BTreeSet<(String, String)> {
    let mut operations = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, item) in contract["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "two operations are called {id}");
            let function = operation["x-function"].as_str().map_or_else(|| kebab(id), str::to_owned);
            operations.insert((format!("{} {path}", method.to_uppercase()), function));
        }
    }
    operations
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_in_the_contract_and_the_other_way_round() {
    let app = App::start().await;
    let template = app.cloud.template();
    let routes: BTreeSet<(String, String)> = template
        .api
        .as_ref()
        .unwrap()
        .routes
        .iter()
        .map(|route| (route.target.key(), template.functions[&route.function].crate_name.clone()))
        .collect();
    assert_eq!(operations(&contract()), routes);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_says_of_every_route_whether_anybody_may_call_it() {
    let app = App::start().await;
    let contract = contract();
    for route in &app.cloud.template().api.as_ref().unwrap().routes {
        let key = route.target.key();
        let (method, path) = key.split_once(' ').unwrap();
        let security = contract["paths"][path][method.to_lowercase()]["security"].as_array().unwrap();
        assert_eq!(security.is_empty(), route.authorizer.is_none(), "{key}");
    }
    app.finish().await;
}

/// Asserts that the contract foresees an answer: its status, its content type and its body.
#[track_caller]
pub(crate) fn assert_foreseen(contract: &Value, method: &Method, path: &str, answer: &Answer) {
    let operation = &contract["paths"][path][method.as_str().to_lowercase()];
    let mut foreseen = &operation["responses"][answer.status.as_str()];
    if let Some(reference) = foreseen["$ref"].as_str() {
        foreseen = contract.pointer(reference.trim_start_matches('#')).unwrap();
    }
    assert!(foreseen.is_object(), "{method} {path} does not foresee {answer:?}");
    let Some(content) = foreseen["content"].as_object() else {
        assert!(answer.body.as_str().is_some_and(str::is_empty), "{answer:?}");
        return;
    };
    let schema = &content[answer.header("content-type")]["schema"];
    let errors = errors(contract, schema, &answer.body);
    assert!(errors.is_empty(), "{method} {path} answered {}: {errors:?}", answer.body);
}

/// What does not fit a schema of the contract.
fn errors(contract: &Value, schema: &Value, value: &Value) -> Vec<String> {
    // The schemas refer to each other from the root, so the root is the schema, with this one on top.
    let mut root = contract.clone();
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["allOf"] = json!([schema]);
    let validator = jsonschema::options().should_validate_formats(true).build(&root).unwrap();
    validator.iter_errors(value).map(|error| error.to_string()).collect()
}

/// Asserts that the contract foresees what an open page is told.
#[track_caller]
pub(crate) fn assert_told(contract: &Value, event: &str, data: &Value) {
    let schema = &contract["webhooks"][event]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert!(schema["$ref"].is_string(), "the contract knows no event {event}");
    let errors = errors(contract, schema, data);
    assert!(errors.is_empty(), "{event} tells {data}: {errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_answer_as_the_contract_says() {
    let app = App::start().await;
    let contract = contract();
    let (key, artist, student) = (app.cloud.write_key().to_owned(), app.token("artist"), app.token("student"));
    let json_type = ("content-type", "application/json");
    let (events, track) = ("/api/stats/events", "/api/tracks/{trackId}");

    let good = json!([event("e", &json!({})), event("f", &json!({"type": "nothing"})), 7]).to_string();
    for (headers, body) in [
        (vec![json_type, ("x-write-key", key.as_str())], good.as_str()),
        (vec![json_type, ("x-write-key", "unknown")], good.as_str()),
        (vec![("content-type", "image/png"), ("x-write-key", key.as_str())], good.as_str()),
        (vec![json_type, ("x-write-key", key.as_str())], "{"),
        (vec![json_type, ("x-write-key", key.as_str())], "[]"),
    ] {
        let answer = app.send(Method::POST, events, &headers, body.to_owned()).await;
        assert_foreseen(&contract, &Method::POST, events, &answer);
    }

    let good = json!({"title": "Song", "durationSeconds": 60}).to_string();
    for (token, if_match, body) in [
        (&artist, None, good.as_str()),
        (&artist, None, good.as_str()),
        (&artist, Some("\"other\""), good.as_str()),
        (&student, None, good.as_str()),
        (&artist, None, "{}"),
        (&artist, None, "{"),
    ] {
        let mut headers = vec![json_type, ("authorization", token.as_str())];
        headers.extend(if_match.map(|tag| ("if-match", tag)));
        let answer = app.send(Method::PUT, "/api/tracks/song", &headers, body.to_owned()).await;
        assert_foreseen(&contract, &Method::PUT, track, &answer);
    }

    app.settled().await;
    let read = app.get_track("song").await;
    assert_foreseen(&contract, &Method::GET, track, &read);
    let unchanged = app.send(Method::GET, "/api/tracks/song", &[("if-none-match", read.header("etag"))], "").await;
    assert_eq!(unchanged.status, 304);
    assert_foreseen(&contract, &Method::GET, track, &unchanged);
    app.post(&json!([event("g", &json!({"trackId": "undescribed"}))])).await;
    app.settled().await;
    for id in ["undescribed", "unknown", "a%20b"] {
        assert_foreseen(&contract, &Method::GET, track, &app.get_track(id).await);
    }
    app.finish().await;
}

/// Every name that the contract gives to a field or a parameter, with its schema or the parameter.
fn names<'a>(part: &'a Value, found: &mut Vec<(&'a str, &'a Value)>) {
    match part {
        Value::Object(fields) => {
            if let Some(properties) = fields.get("properties").and_then(Value::as_object) {
                found.extend(properties.iter().map(|(name, schema)| (name.as_str(), schema)));
            }
            if let (Some(Value::String(name)), Some(Value::String(place))) = (fields.get("name"), fields.get("in"))
                && matches!(place.as_str(), "query" | "path")
            {
                found.push((name, &part["schema"]));
            }
            for (name, inner) in fields {
                // What an example holds is named by the schema it is an example of.
                if !matches!(name.as_str(), "example" | "examples" | "value") || inner.get("properties").is_some() {
                    names(inner, found);
                }
            }
        }
        Value::Array(parts) => parts.iter().for_each(|part| names(part, found)),
        _ => {}
    }
}

/// The names in backquotes in a column of a table of `docs/api-conventions.md`.
fn unused_names() -> BTreeSet<String> {
    let page = read("docs/api-conventions.md");
    let table = page.split("| use | never |").nth(1).unwrap().split("\n\n").next().unwrap();
    let never = table.lines().skip(2).map(|row| row.split('|').nth(2).unwrap());
    let names: BTreeSet<String> =
        never.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect();
    assert!(names.len() > 30, "{names:?}");
    names
}

/// Whether a schema is that of a moment.
fn is_moment(schema: &Value) -> bool {
    let is_one = |schema: &Value| {
        schema["format"] == "date-time"
            || schema["$ref"].as_str().is_some_and(|name| name.ends_with("/Time") || name.ends_with("/TimeOrNull"))
    };
    is_one(schema) || schema["oneOf"].as_array().is_some_and(|either| either.iter().any(is_one))
}

#[test]
fn one_thing_has_one_name_in_the_contract() {
    let contract = contract();
    let mut found = Vec::new();
    names(&contract, &mut found);
    assert!(found.len() > 500, "{}", found.len());
    let unused = unused_names();
    let mut wrong = BTreeSet::new();
    for (name, schema) in found {
        let of_others = matches!(name, "socket_id" | "channel_name" | "channel_data" | "copy_link");
        let is_camel =
            name.starts_with(char::is_lowercase) && name.chars().all(|letter| letter.is_ascii_alphanumeric());
        let names_a_moment = name.ends_with("At")
            || matches!(name, "timestamp" | "asOf" | "serverTime" | "from" | "to" | "validFrom" | "validTo");
        let is_wrong = unused.contains(name)
            || !(is_camel || of_others)
            || name.starts_with("avg")
            || name.ends_with("Count")
            || (name.to_lowercase().contains("duration") && !name.ends_with("Seconds") && name != "duration")
            || (is_moment(schema) && !names_a_moment);
        if is_wrong {
            wrong.insert(format!("{name}: {schema}"));
        }
    }
    assert!(wrong.is_empty(), "docs/api-conventions.md names these otherwise: {wrong:#?}");
}

/// Every operation of the contract, those that pages are told included, with what names it.
fn all_operations(contract: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (path, item) in ["paths", "webhooks"].iter().flat_map(|part| contract[*part].as_object().unwrap()) {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            found.push((format!("{} {path}", method.to_uppercase()), operation));
        }
    }
    found
}

/// A part of the contract, or what it refers to.
fn resolved<'a>(contract: &'a Value, part: &'a Value) -> &'a Value {
    part["$ref"].as_str().map_or(part, |reference| contract.pointer(reference.trim_start_matches('#')).unwrap())
}

/// The examples of a kind of body.
fn examples<'a>(contract: &'a Value, media: &'a Value) -> Vec<&'a Value> {
    let named = media["examples"].as_object().into_iter().flat_map(serde_json::Map::values);
    let mut found: Vec<&Value> = named.map(|example| &resolved(contract, example)["value"]).collect();
    found.extend(media.get("example"));
    found
}

#[test]
fn every_answer_that_refuses_shows_problems_of_its_own_status() {
    let contract = contract();
    let mut shown = BTreeSet::new();
    for (name, operation) in all_operations(&contract) {
        let keyed = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|parameter| resolved(&contract, parameter)["name"] == "Idempotency-Key");
        for (status, response) in operation["responses"].as_object().unwrap() {
            let media = &resolved(&contract, response)["content"]["application/problem+json"];
            let problems = if media.is_object() { examples(&contract, media) } else { Vec::new() };
            for problem in &problems {
                assert_eq!(problem["status"].to_string(), *status, "{name} shows {problem} for {status}");
                let known = Kind::ALL.iter().find(|kind| problem["type"] == kind.uri());
                let kind = known.unwrap_or_else(|| panic!("{name}: there is no problem like {problem}"));
                assert_eq!(problem["title"], kind.title(), "{name}");
                shown.insert(*kind);
            }
            if keyed && status == "422" {
                let reused = problems.iter().any(|problem| problem["type"] == Kind::KeyReused.uri());
                assert!(reused, "{name} takes a key, and does not show that it was used for another request");
            }
        }
    }
    // The contract foresees no mistake of the program.
    let every: BTreeSet<Kind> = Kind::ALL.iter().copied().filter(|kind| *kind != Kind::InternalError).collect();
    assert_eq!(shown, every);
}

#[test]
fn every_body_has_an_example_that_its_schema_takes() {
    let contract = contract();
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (name, operation) in all_operations(&contract) {
        let mut bodies = vec![("request".to_owned(), operation.get("requestBody"))];
        let responses = operation["responses"].as_object().unwrap().iter();
        bodies.extend(responses.map(|(status, response)| (status.clone(), Some(response))));
        for (which, body) in bodies.into_iter().filter_map(|(which, body)| Some((which, resolved(&contract, body?)))) {
            for (media_type, media) in body["content"].as_object().into_iter().flatten() {
                let found = examples(&contract, media);
                if found.is_empty() {
                    wrong.push(format!("{name} has no example of its {which} as {media_type}"));
                }
                for example in found {
                    let errors = errors(&contract, &media["schema"], example);
                    if !errors.is_empty() {
                        wrong.push(format!("{name} does not take the example of its {which}: {errors:?}"));
                    }
                    checked += 1;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(checked > 300, "{checked}");
}

#[test]
fn every_operation_says_what_it_does_in_a_few_words() {
    let contract = contract();
    let tags: BTreeSet<&str> =
        contract["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let (mut wrong, mut used, mut summaries) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (name, operation) in all_operations(&contract) {
        let summary = operation["summary"].as_str().unwrap_or_default();
        let tag = operation["tags"][0].as_str().unwrap_or_default();
        used.insert(tag);
        let is_short = (1..=60).contains(&summary.len()) || tag == "Live events";
        let is_of_a_route = tag != "Live events";
        if !is_short
            || !tags.contains(tag)
            || (is_of_a_route && summary.ends_with('.'))
            || (is_of_a_route && !summary.starts_with(char::is_uppercase))
            || !operation["description"].is_string()
            || !operation["security"].is_array()
            || !summaries.insert(summary.to_owned())
        {
            wrong.push(format!("{name}: {summary:?} under {tag:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(used, tags);
}

/// Walks every object of the contract.
fn objects<'a>(part: &'a Value, found: &mut Vec<&'a serde_json::Map<String, Value>>) {
    match part {
        Value::Object(fields) => {
            found.push(fields);
            fields.values().for_each(|inner| objects(inner, found));
        }
        Value::Array(parts) => parts.iter().for_each(|inner| objects(inner, found)),
        _ => {}
    }
}

#[test]
fn no_text_of_the_contract_is_cut_at_a_comma() {
    let contract = contract();
    let mut found = Vec::new();
    objects(&contract, &mut found);
    let cut: Vec<&String> = found.iter().flat_map(|fields| fields.keys()).filter(|name| name.contains(' ')).collect();
    assert!(cut.is_empty(), "what stands in braces and has a comma needs quotes: {cut:?}");
}

#[test]
fn no_field_of_a_body_has_a_default_that_generated_types_would_require() {
    let contract = contract();
    let mut found = Vec::new();
    objects(&contract["components"]["schemas"], &mut found);
    let of_bodies: Vec<_> = found.iter().filter(|fields| fields.contains_key("default")).collect();
    assert!(of_bodies.is_empty(), "a description says what a field left out means: {of_bodies:?}");
}

#[test]
fn what_every_variant_is_told_apart_by_is_required() {
    let contract = contract();
    let mut found = Vec::new();
    objects(&contract["components"]["schemas"], &mut found);
    let told_apart: Vec<_> = found.iter().filter(|fields| fields.contains_key("discriminator")).collect();
    assert!(!told_apart.is_empty());
    for fields in told_apart {
        let name = fields["discriminator"]["propertyName"].as_str().unwrap();
        for variant in fields["oneOf"].as_array().unwrap() {
            let variant = resolved(&contract, variant);
            let mut parts = Vec::new();
            objects(variant, &mut parts);
            let requires = |part: &&serde_json::Map<String, Value>| {
                part.get("required").and_then(Value::as_array).is_some_and(|all| all.iter().any(|one| one == name))
            };
            assert!(parts.iter().any(requires), "{variant} does not require {name}");
        }
    }
}
