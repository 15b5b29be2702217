//! The contract `infra/openapi.yaml` matches the routes of the template and the responses of the functions, and reads well.

use std::collections::BTreeSet;

use http::Method;
use runtime::http::Kind;
use serde_json::{Value, json};

use crate::support::app::{Answer, App, event};
use crate::tidy::read;

pub(crate) fn contract() -> Value {
    serde_yaml_ng::from_str(&read("infra/openapi.yaml")).unwrap()
}

/// Converts camel case to kebab case: `putTrack` becomes `put-track`.
fn kebab(name: &str) -> String {
    let dash = |letter: char| if letter.is_uppercase() { format!("-{}", letter.to_lowercase()) } else { letter.into() };
    name.chars().map(dash).collect()
}

/// `METHOD /path` of every operation and its function: `x-function`, else the operation id in kebab case.
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
async fn contract_and_template_have_the_same_routes() {
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
async fn security_of_each_operation_matches_its_authorizer() {
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

/// Asserts that the contract has a response: its status, its content type and its body.
#[track_caller]
pub(crate) fn assert_response_matches(contract: &Value, method: &Method, path: &str, answer: &Answer) {
    let operation = &contract["paths"][path][method.as_str().to_lowercase()];
    let mut expected = &operation["responses"][answer.status.as_str()];
    if let Some(reference) = expected["$ref"].as_str() {
        expected = contract.pointer(reference.trim_start_matches('#')).unwrap();
    }
    assert!(expected.is_object(), "{method} {path} has no response like {answer:?}");
    let Some(content) = expected["content"].as_object() else {
        assert!(answer.body.as_str().is_some_and(str::is_empty), "{answer:?}");
        return;
    };
    let schema = &content[answer.header("content-type")]["schema"];
    let errors = errors(contract, schema, &answer.body);
    assert!(errors.is_empty(), "{method} {path} answered {}: {errors:?}", answer.body);
}

/// The errors of a value against a schema of the contract.
fn errors(contract: &Value, schema: &Value, value: &Value) -> Vec<String> {
    // References are relative to the root, so validate against the root with this schema on top.
    let mut root = contract.clone();
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["allOf"] = json!([schema]);
    let validator = jsonschema::options().should_validate_formats(true).build(&root).unwrap();
    validator.iter_errors(value).map(|error| error.to_string()).collect()
}

/// Asserts that the contract has a live event with this data.
#[track_caller]
pub(crate) fn assert_event_matches(contract: &Value, event: &str, data: &Value) {
    let schema = &contract["webhooks"][event]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert!(schema["$ref"].is_string(), "the contract has no event {event}");
    let errors = errors(contract, schema, data);
    assert!(errors.is_empty(), "{event} has {data}: {errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_match_the_contract() {
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
        assert_response_matches(&contract, &Method::POST, events, &answer);
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
        assert_response_matches(&contract, &Method::PUT, track, &answer);
    }

    app.settled().await;
    let read = app.get_track("song").await;
    assert_response_matches(&contract, &Method::GET, track, &read);
    let unchanged = app.send(Method::GET, "/api/tracks/song", &[("if-none-match", read.header("etag"))], "").await;
    assert_eq!(unchanged.status, 304);
    assert_response_matches(&contract, &Method::GET, track, &unchanged);
    app.post(&json!([event("g", &json!({"trackId": "undescribed"}))])).await;
    app.settled().await;
    for id in ["undescribed", "unknown", "a%20b"] {
        assert_response_matches(&contract, &Method::GET, track, &app.get_track(id).await);
    }
    app.finish().await;
}

/// Collects every field and parameter by name, with its schema.
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
                // Fields of examples follow their schemas.
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

/// Whether a schema is a time.
fn is_time(schema: &Value) -> bool {
    let is_one = |schema: &Value| {
        schema["format"] == "date-time"
            || schema["$ref"].as_str().is_some_and(|name| name.ends_with("/Time") || name.ends_with("/TimeOrNull"))
    };
    is_one(schema) || schema["oneOf"].as_array().is_some_and(|either| either.iter().any(is_one))
}

#[test]
fn field_names_follow_the_api_conventions() {
    let contract = contract();
    let mut found = Vec::new();
    names(&contract, &mut found);
    assert!(found.len() > 500, "{}", found.len());
    let unused = unused_names();
    let mut wrong = BTreeSet::new();
    for (name, schema) in found {
        let is_external = matches!(name, "socket_id" | "channel_name" | "channel_data" | "copy_link");
        let is_camel =
            name.starts_with(char::is_lowercase) && name.chars().all(|letter| letter.is_ascii_alphanumeric());
        let is_time_name = name.ends_with("At")
            || matches!(name, "timestamp" | "asOf" | "serverTime" | "from" | "to" | "validFrom" | "validTo");
        let is_wrong = unused.contains(name)
            || !(is_camel || is_external)
            || name.starts_with("avg")
            || name.ends_with("Count")
            || (name.to_lowercase().contains("duration") && !name.ends_with("Seconds") && name != "duration")
            || (is_time(schema) && !is_time_name);
        if is_wrong {
            wrong.insert(format!("{name}: {schema}"));
        }
    }
    assert!(wrong.is_empty(), "docs/api-conventions.md has other names for these: {wrong:#?}");
}

/// Every operation and live event of the contract by name.
fn all_operations(contract: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (path, item) in ["paths", "webhooks"].iter().flat_map(|part| contract[*part].as_object().unwrap()) {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            found.push((format!("{} {path}", method.to_uppercase()), operation));
        }
    }
    found
}

/// A part of the contract, with its reference resolved.
fn resolved<'a>(contract: &'a Value, part: &'a Value) -> &'a Value {
    part["$ref"].as_str().map_or(part, |reference| contract.pointer(reference.trim_start_matches('#')).unwrap())
}

/// The examples of a media type.
fn examples<'a>(contract: &'a Value, media: &'a Value) -> Vec<&'a Value> {
    let named = media["examples"].as_object().into_iter().flat_map(serde_json::Map::values);
    let mut found: Vec<&Value> = named.map(|example| &resolved(contract, example)["value"]).collect();
    found.extend(media.get("example"));
    found
}

#[test]
fn problem_examples_have_the_status_and_title_of_their_type() {
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
                let kind = known.unwrap_or_else(|| panic!("{name}: no problem type is {problem}"));
                assert_eq!(problem["title"], kind.title(), "{name}");
                shown.insert(*kind);
            }
            if keyed && status == "422" {
                let reused = problems.iter().any(|problem| problem["type"] == Kind::KeyReused.uri());
                assert!(reused, "{name} has an Idempotency-Key but no example of a reused key");
            }
        }
    }
    // The contract documents no internal errors.
    let every: BTreeSet<Kind> = Kind::ALL.iter().copied().filter(|kind| *kind != Kind::InternalError).collect();
    assert_eq!(shown, every);
}

#[test]
fn every_body_has_an_example_that_matches_its_schema() {
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
                        wrong.push(format!("the example of the {which} of {name} is invalid: {errors:?}"));
                    }
                    checked += 1;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(checked > 300, "{checked}");
}

/// Verbs with which a summary may begin.
const VERBS: &[&str] = &[
    "Approve",
    "Authorize",
    "Check",
    "Complete",
    "Create",
    "Delete",
    "Enroll",
    "Get",
    "Like",
    "List",
    "Mark",
    "Publish",
    "Rate",
    "Rebuild",
    "Receive",
    "Recompute",
    "Record",
    "Refund",
    "Report",
    "Review",
    "Send",
    "Start",
    "Submit",
    "Unlike",
    "Update",
];

/// How many words a summary may have.
const SUMMARY_WORDS: usize = 8;

#[test]
fn summaries_are_unique_short_imperatives() {
    let contract = contract();
    let (mut wrong, mut summaries) = (Vec::new(), BTreeSet::new());
    for (name, operation) in all_operations(&contract) {
        let summary = operation["summary"].as_str().unwrap_or_default();
        let words: Vec<&str> = summary.split(' ').collect();
        let is_imperative = words.first().is_some_and(|verb| VERBS.contains(verb));
        if !is_imperative || words.len() > SUMMARY_WORDS || summary.ends_with('.') || !summaries.insert(summary) {
            wrong.push(format!("{name}: {summary:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn operation_ids_are_camel_case() {
    let contract = contract();
    let mut wrong = Vec::new();
    for (name, operation) in all_operations(&contract) {
        let id = operation["operationId"].as_str().unwrap_or_default();
        let is_camel = id.starts_with(|first: char| first.is_ascii_lowercase())
            && id.chars().any(|letter| letter.is_ascii_uppercase())
            && id.chars().all(|letter| letter.is_ascii_alphanumeric());
        // The handler of a live event is named after the event.
        let event = name.trim_start_matches("POST ");
        let is_named = event.contains('/') || id == format!("on{}", pascal(event));
        if !is_camel || !is_named {
            wrong.push(format!("{name}: {id:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Converts kebab case to Pascal case: `new-score` becomes `NewScore`.
fn pascal(name: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    };
    name.split('-').map(word).collect()
}

#[test]
fn every_operation_has_one_declared_tag_a_description_and_its_security() {
    let contract = contract();
    let declared = contract["tags"].as_array().unwrap();
    let tags: BTreeSet<&str> = declared.iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    assert!(declared.iter().all(|tag| tag["description"].is_string()), "{declared:?}");
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for (name, operation) in all_operations(&contract) {
        let of_operation: Vec<&str> =
            operation["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        used.extend(of_operation.iter().copied());
        let is_tagged = matches!(of_operation.as_slice(), [tag] if tags.contains(tag));
        if !is_tagged || !operation["description"].is_string() || !operation["security"].is_array() {
            wrong.push(format!("{name} under {of_operation:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(used, tags);
}

/// Words and phrases that no text of the contract uses.
const BANNED: &[&str] = &[
    "anybody",
    "anybody's",
    "anew",
    "asked for",
    "asks for",
    "everybody",
    "everybody's",
    "given back",
    "in doubt",
    "is made of",
    "is told",
    "it is so",
    "lies in",
    "made again",
    "nobody",
    "nobody's",
    "of which",
    "of whom",
    "once more",
    "own word",
    "over and over",
    "somebody",
    "somebody's",
    "stands",
    "tells",
    "told",
    "whichever",
    "who it was",
    "whoever",
    "whom",
    "whose is",
];

/// The banned words in a text, each between word boundaries and in any case.
fn banned(text: &str) -> Vec<&'static str> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '\'';
    let words: Vec<String> = text
        .to_lowercase()
        .split(|letter: char| !is_part(letter))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let padded = format!(" {} ", words.join(" "));
    BANNED.iter().copied().filter(|phrase| padded.contains(&format!(" {phrase} "))).collect()
}

#[test]
fn banned_words_are_found_at_word_boundaries_in_any_case() {
    assert_eq!(banned("Whoever is signed in\nis told."), ["is told", "told", "whoever"]);
    assert_eq!(banned("Understands what nobody's\ntold, of\nwhich"), ["nobody's", "of which", "told"]);
    assert_eq!(banned("Retold whomever notices a storyteller"), Vec::<&str>::new());
}

/// Collects every summary and description of the contract, with its place.
fn texts<'a>(part: &'a Value, place: &str, found: &mut Vec<(String, &'a str)>) {
    match part {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let inner_place = format!("{place}/{name}");
                match inner.as_str() {
                    Some(text) if matches!(name.as_str(), "summary" | "description") => found.push((inner_place, text)),
                    _ if matches!(name.as_str(), "example" | "examples") && !place.ends_with("/properties") => {}
                    _ => texts(inner, &inner_place, found),
                }
            }
        }
        Value::Array(parts) => {
            parts.iter().enumerate().for_each(|(index, inner)| texts(inner, &format!("{place}/{index}"), found));
        }
        _ => {}
    }
}

#[test]
fn texts_use_no_banned_words() {
    let contract = contract();
    let mut found = Vec::new();
    texts(&contract, "", &mut found);
    assert!(found.len() > 1_000, "{}", found.len());
    let wrong: Vec<String> = found
        .iter()
        .filter(|(_, text)| !banned(text).is_empty())
        .map(|(place, text)| format!("{place}: {:?}", banned(text)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn texts_are_sentences_one_rule_per_line() {
    let contract = contract();
    let mut found = Vec::new();
    texts(&contract, "", &mut found);
    let mut wrong = Vec::new();
    for (place, text) in found.iter().filter(|(place, _)| place.ends_with("/description")) {
        let is_block = text.trim_end().contains('\n');
        let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with("**"));
        // A continued line of a list is indented.
        let is_list = lines.clone().all(|line| line.starts_with("- ") || line.starts_with("  "));
        let is_intro = place == "/info/description";
        let ends = text.trim_end().ends_with('.');
        if !ends || (is_block && !is_list && !is_intro) {
            wrong.push(format!("{place}: {text:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Collects the places of schemas, fields, parameters and headers without a description.
fn undescribed(part: &Value, place: &str, found: &mut Vec<String>) {
    let mut require = |parts: &Value, kind: &str| {
        for (name, described) in parts.as_object().into_iter().flatten() {
            if described.is_object() && !described["description"].is_string() {
                found.push(format!("{place}: {kind} {name}"));
            }
        }
    };
    match part {
        Value::Object(fields) => {
            if !place.ends_with("/properties") {
                require(&part["properties"], "field");
                require(&part["headers"], "header");
                require(&part["schemas"], "schema");
            }
            if part["in"].is_string() && part["name"].is_string() && !part["description"].is_string() {
                found.push(format!("{place}: {} parameter {}", part["in"], part["name"]));
            }
            for (name, inner) in fields {
                if !matches!(name.as_str(), "example" | "examples") || place.ends_with("/properties") {
                    undescribed(inner, &format!("{place}/{name}"), found);
                }
            }
        }
        Value::Array(parts) => {
            parts.iter().enumerate().for_each(|(index, inner)| undescribed(inner, &format!("{place}/{index}"), found));
        }
        _ => {}
    }
}

#[test]
fn every_schema_field_parameter_and_header_has_a_description() {
    let mut found = Vec::new();
    undescribed(&contract(), "", &mut found);
    assert!(found.is_empty(), "{found:#?}");
}

/// Collects every object of a part of the contract.
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
fn texts_with_commas_are_quoted() {
    let contract = contract();
    let mut found = Vec::new();
    objects(&contract, &mut found);
    let cut: Vec<&String> = found.iter().flat_map(|fields| fields.keys()).filter(|name| name.contains(' ')).collect();
    assert!(cut.is_empty(), "a text in braces with a comma needs quotes: {cut:?}");
}

#[test]
fn body_fields_have_no_default() {
    let contract = contract();
    let mut found = Vec::new();
    objects(&contract["components"]["schemas"], &mut found);
    let of_bodies: Vec<_> = found.iter().filter(|fields| fields.contains_key("default")).collect();
    assert!(of_bodies.is_empty(), "generated types would require these; describe the default instead: {of_bodies:?}");
}

#[test]
fn variants_require_their_discriminator() {
    let contract = contract();
    let mut found = Vec::new();
    objects(&contract["components"]["schemas"], &mut found);
    let discriminated: Vec<_> = found.iter().filter(|fields| fields.contains_key("discriminator")).collect();
    assert!(!discriminated.is_empty());
    for fields in discriminated {
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
