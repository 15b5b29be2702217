//! Validation: every operation rejects unknown fields and parameters and malformed headers, and returns the same headers.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::operation::{Operation, operations, resolved, sample};
use super::world::{Bindings, World};
use crate::contract::contract;
use crate::support::app::Answer;
use crate::tidy::read;

/// The problem of a response, which has this type.
#[track_caller]
fn problem<'a>(answer: &'a Answer, operation: &Operation<'_>, status: u16, kind: &str) -> &'a Value {
    assert_eq!(answer.status.as_u16(), status, "{}: {answer:?}", operation.id);
    let problem = answer.is_problem(status);
    assert_eq!(problem["type"], format!("urn:tally:problem:{kind}"), "{}: {answer:?}", operation.id);
    problem
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_query_parameter_is_rejected_with_the_known_ones() {
    let contract = contract();
    let world = World::of(&contract).await;
    let token = world.token(&world.person("admin"));
    for operation in operations(&contract) {
        let nothing = Bindings::new();
        let answer = world.send(&operation, &[("authorization", &token)], &nothing, "&nonsense=1").await;
        let problem = problem(&answer, &operation, 400, "invalid-query");
        assert_eq!(problem["errors"].as_array().unwrap().len(), 1, "{problem}");
        assert_eq!(problem["errors"][0]["field"], "nonsense", "{problem}");
        let reason = problem["errors"][0]["reason"].as_str().unwrap();
        let known: BTreeSet<&str> = match reason.split_once("accepts ").unwrap().1 {
            "none" => BTreeSet::new(),
            known => known.split(", ").collect(),
        };
        let parameters = operation.parameters("query");
        let stated: BTreeSet<&str> = parameters.iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(known, stated, "{} accepts the parameters of the contract", operation.id);
    }
    world.app.finish().await;
}

/// A name with its last two letters swapped.
fn mistyped(name: &str) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    let last = letters.len() - 1;
    letters.swap(last, last - 1);
    letters.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_body_field_is_rejected_with_the_intended_one() {
    let contract = contract();
    let world = World::of(&contract).await;
    let token = world.token(&world.person("admin"));
    let headers = [("authorization", token.as_str())];
    let mut checked = 0;
    for operation in operations(&contract).iter().filter(|operation| operation.body().is_some()) {
        let fields = operation.fields();
        let ignores = operation.extension("x-unknown-fields") == "ignored";
        let with = |name: &str| Bindings::from([(name.to_owned(), json!(5))]);
        let send = async |unknown: &str| {
            let mut body = operation.sample().unwrap();
            body.extend(with(unknown));
            send_body(&world, operation, &headers, body).await
        };
        let answer = send("nonsense").await;
        if ignores {
            assert_ne!(answer.status, 422, "{}: {answer:?}", operation.id);
            continue;
        }
        let refused = problem(&answer, operation, 422, "invalid-fields");
        assert_eq!(named(refused), ["nonsense"], "{}: {refused}", operation.id);
        for name in fields.keys().filter(|name| name.len() > 3) {
            let wrong = mistyped(name);
            if fields.contains_key(&wrong) || wrong == *name {
                continue;
            }
            let answer = send(&wrong).await;
            let refused = problem(&answer, operation, 422, "invalid-fields");
            let reason = &refused["errors"][0]["reason"];
            let names_intended = reason.as_str().unwrap().contains(&format!("did you mean {name}?"));
            assert!(named(refused) == [wrong] && names_intended, "{}: {refused}", operation.id);
        }
        // The function knows every field of the contract.
        let nulls: Map<String, Value> = fields.keys().map(|name| (name.clone(), Value::Null)).collect();
        let answer = send_body(&world, operation, &headers, nulls).await;
        for error in answer.body["errors"].as_array().into_iter().flatten() {
            let reason = error["reason"].as_str().unwrap();
            assert!(!reason.contains("is not a field"), "{} does not know {error}", operation.id);
        }
        checked += 1;
    }
    assert!(checked > 20, "{checked} bodies were checked");
    world.app.finish().await;
}

fn named(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect()
}

async fn send_body(
    world: &World<'_>,
    operation: &Operation<'_>,
    headers: &[(&str, &str)],
    body: Map<String, Value>,
) -> Answer {
    let mut path = operation.path.to_owned();
    for parameter in operation.parameters("path") {
        path = path.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), &world.fresh("x"));
    }
    let key = world.fresh("key");
    let mut all = headers.to_vec();
    all.extend([("content-type", "application/json"), ("idempotency-key", key.as_str())]);
    world.app.send(operation.method.clone(), &path, &all, Value::Object(body).to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_header_is_rejected() {
    let contract = contract();
    let world = World::of(&contract).await;
    let token = world.token(&world.person("admin"));
    for operation in operations(&contract) {
        for (name, value) in [
            ("if-match", "“v1”"),
            ("if-match", "v1"),
            ("if-none-match", "\"v1"),
            ("idempotency-key", "ключ-1"),
            ("content-type", "application/json, text/plain"),
            ("content-encoding", "сжато"),
        ] {
            let headers = [("authorization", token.as_str()), (name, value)];
            let answer = world.send(&operation, &headers, &Bindings::new(), "").await;
            let problem = problem(&answer, &operation, 400, "unreadable-header");
            let detail = problem["detail"].as_str().unwrap().to_lowercase();
            assert!(detail.starts_with(name), "{}: {problem}", operation.id);
        }
    }
    world.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_body_is_rejected_with_accept_encoding() {
    let contract = contract();
    let world = World::of(&contract).await;
    let token = world.token(&world.person("admin"));
    for operation in operations(&contract).iter().filter(|operation| operation.body().is_some()) {
        for coding in ["gzip", "deflate", "br"] {
            let headers = [("authorization", token.as_str()), ("content-encoding", coding)];
            let answer = world.send(operation, &headers, &Bindings::new(), "").await;
            problem(&answer, operation, 415, "unsupported-content-coding");
            assert_eq!(answer.header("accept-encoding"), "identity", "{answer:?}");
        }
    }
    world.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_response_has_cache_control_and_nosniff() {
    let contract = contract();
    let world = World::of(&contract).await;
    let token = world.token(&world.person("admin"));
    for operation in operations(&contract) {
        for headers in [vec![("authorization", token.as_str())], vec![]] {
            let answer = world.send(&operation, &headers, &Bindings::new(), "").await;
            if answer.status == 401 && answer.header("content-type") == "application/json" {
                continue;
            }
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{}: {answer:?}", operation.id);
            let (cache_control, is_tagged) = (answer.header("cache-control"), answer.headers.contains_key("etag"));
            let policy = if is_tagged { "no-cache" } else { "no-store" };
            let expected = if operation.is_public() { policy.to_owned() } else { format!("private, {policy}") };
            assert_eq!(cache_control, expected, "{}: {answer:?}", operation.id);
            // `asOf` changes the body of an equal version, so the tag is weak.
            if is_tagged && answer.body.get("asOf").is_some() {
                assert!(answer.header("etag").starts_with("W/\""), "{}: {answer:?}", operation.id);
            }
        }
    }
    world.app.finish().await;
}

/// The largest value that a schema allows.
fn largest(contract: &Value, schema: &Value, name: &str) -> Value {
    let schema = resolved(contract, schema);
    let longest =
        |letter: &str, length: &Value| json!(letter.repeat(length.as_u64().unwrap_or(64).try_into().unwrap()));
    if schema["enum"].is_array() || schema["format"].is_string() {
        return sample(contract, schema, name);
    }
    match schema["type"].as_str().or_else(|| schema["type"][0].as_str()) {
        Some("string") if schema["pattern"].is_string() => longest("x", &Value::Null),
        Some("string") => longest("\u{1f30d}", &schema["maxLength"]),
        Some("array") => {
            let most = schema["maxItems"].as_u64().unwrap_or(1).try_into().unwrap();
            json!(vec![largest(contract, &schema["items"], name); most])
        }
        _ => sample(contract, schema, name),
    }
}

fn escaped(text: &str) -> String {
    let units = text.encode_utf16().map(|unit| match u8::try_from(unit) {
        Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
        _ => format!("\\u{unit:04x}"),
    });
    units.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn largest_body_of_the_contract_is_accepted() {
    let contract = contract();
    let world = World::of(&contract).await;
    let token = world.token(&world.person("admin"));
    for operation in operations(&contract).iter().filter(|operation| operation.body().is_some()) {
        let fields = operation.fields();
        let body: Map<String, Value> =
            fields.iter().map(|(name, schema)| (name.clone(), largest(&contract, schema, name))).collect();
        let mut path = operation.path.to_owned();
        for parameter in operation.parameters("path") {
            path = path.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), &world.fresh("x"));
        }
        let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
        let body = escaped(&Value::Object(body).to_string());
        let length = body.len();
        let answer = world.app.send(operation.method.clone(), &path, &headers, body).await;
        assert_ne!(answer.status, 413, "{} rejects {length} bytes: {answer:?}", operation.id);
    }
    world.app.finish().await;
}

#[test]
fn every_problem_type_is_documented() {
    let page = read("docs/problems.md");
    for kind in runtime::http::Kind::ALL {
        let name = kind.uri();
        let name = name.rsplit(':').next().unwrap();
        assert!(page.contains(&format!("| `{name}` |")), "docs/problems.md does not describe {name}");
    }
}

/// Collects the names of all response headers.
fn headers(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "headers" {
                    found.extend(value.as_object().unwrap().keys().map(|header| header.to_ascii_lowercase()));
                }
                headers(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| headers(value, found)),
        _ => {}
    }
}

#[test]
fn cors_exposes_every_response_header() {
    let template: serde_yaml_ng::Value = serde_yaml_ng::from_str(&read("template.yaml")).unwrap();
    let exposed = &template["Resources"]["HttpApi"]["Properties"]["CorsConfiguration"]["ExposeHeaders"];
    // Browsers always expose this header.
    let mut exposed: BTreeSet<&str> = exposed.as_sequence().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    exposed.insert("cache-control");
    let mut named = BTreeSet::new();
    headers(&contract(), &mut named);
    assert!(named.contains("location"), "{named:?}");
    for header in named {
        assert!(exposed.contains(&*header), "{header} is not exposed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dot_ids_are_rejected_in_bodies() {
    let contract = contract();
    let world = World::of(&contract).await;
    let token = world.token(&world.person("admin"));
    let headers = [("authorization", token.as_str())];
    for operation in operations(&contract).iter().filter(|operation| operation.body().is_some()) {
        for (name, schema) in operation.fields() {
            let is_id = schema["$ref"].as_str().is_some_and(|reference| reference.ends_with("/Id"));
            if !is_id || operation.extension("x-unknown-fields") == "ignored" {
                continue;
            }
            for id in [".", ".."] {
                let mut body = operation.sample().unwrap();
                body.insert(name.clone(), json!(id));
                let answer = send_body(&world, operation, &headers, body).await;
                let refused = problem(&answer, operation, 422, "invalid-fields");
                assert!(named(refused).contains(&&*name), "{} accepts {id} as {name}: {refused}", operation.id);
            }
        }
    }
    world.app.finish().await;
}
