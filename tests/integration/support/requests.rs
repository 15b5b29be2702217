//! What people ask over HTTP; every answer is held against the contract.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use serde_json::Value;

use crate::contract::assert_response_matches;
use crate::support::app::{Answer, App};

/// A token of somebody in a role.
pub(crate) fn token(app: &App, subject: &str, role: &str, now: DateTime<Utc>) -> String {
    let claims = local::tokens::Claims { secret: app.cloud.jwt_secret().to_owned(), issuer: None, audience: None };
    format!("Bearer {}", local::tokens::token(&claims, subject, role, now).unwrap())
}

/// A token that says all this.
pub(crate) fn signed(app: &App, claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(app.cloud.jwt_secret().as_bytes());
    format!("Bearer {}", jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap())
}

/// Headers of who sends JSON with a token, and more.
pub(crate) fn headers<'a>(token: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![("content-type", "application/json"), ("authorization", token)];
    all.extend_from_slice(more);
    all
}

/// Sends a request of a route of the contract, with these headers alone; `of` is the id in its path, or what comes behind
/// it.
pub(crate) async fn send(
    app: &App,
    contract: &Value,
    (method, route): (Method, &str),
    of: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let path = match (route.find('{'), route.find('}')) {
        (Some(begin), Some(end)) => format!("{}{of}{}", &route[..begin], &route[end + 1..]),
        _ => format!("{route}{of}"),
    };
    let answer = app.send(method.clone(), &path, headers, body).await;
    assert_response_matches(contract, &method, route, &answer);
    answer
}

/// The pages of a list, by as many requests as it takes; each is asked for with what continues the query.
pub(crate) async fn pages(field: &str, ask: impl AsyncFn(&str) -> Answer) -> Vec<Vec<Value>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = ask(&cursor).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        pages.push(answer.body[field].as_array().unwrap().clone());
        assert!(pages.len() < 100, "it never ends");
        match &answer.body["cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            end => {
                assert!(end.is_null(), "{end}");
                return pages;
            }
        }
    }
}

/// Asserts that an answer names these fields, and no others, as wrong.
#[track_caller]
pub(crate) fn are_wrong(answer: &Answer, status: u16, fields: &[&str]) {
    let errors = answer.is_problem(status)["errors"].as_array().unwrap();
    let named: Vec<&str> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(named, fields, "{answer:?}");
}
