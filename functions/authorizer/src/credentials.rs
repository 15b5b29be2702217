//! What a request shows to say who it comes from.

use std::collections::HashMap;

use serde::Deserialize;

/// What is read of an authorizer's request, payload format 2.0
/// ([HTTP API Lambda authorizers](https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html)).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    query_string_parameters: Option<HashMap<String, String>>,
}

/// What a request shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Credentials<'a> {
    /// A bearer token, or what stands in its place.
    Token(&'a str),
    /// A write key.
    WriteKey(&'a str),
    /// Nothing.
    Nothing,
}

impl Event {
    /// A token takes precedence over a write key: a user whose token fails is not treated as anonymous.
    pub(crate) fn credentials(&self) -> Credentials<'_> {
        if let Some(authorization) = self.header("authorization") {
            // RFC 9110, section 11.1: the scheme is case-insensitive.
            let token = match authorization.split_once(' ') {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
                _ => "",
            };
            return Credentials::Token(token);
        }
        let in_query = || self.query_string_parameters.as_ref()?.get("writeKey").map(String::as_str);
        match self.header("x-write-key").or_else(in_query) {
            Some(key) => Credentials::WriteKey(key),
            None => Credentials::Nothing,
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_before_a_key_and_a_header_before_the_query() {
        let event = |json: &str| serde_json::from_str::<Event>(json).unwrap();
        for (json, expected) in [
            (r#"{"headers":{"authorization":"bearer a.b.c","x-write-key":"k"}}"#, Credentials::Token("a.b.c")),
            (r#"{"headers":{"Authorization":"Basic eDp5"}}"#, Credentials::Token("")),
            (r#"{"headers":{"x-write-key":"k"},"queryStringParameters":{"writeKey":"q"}}"#, Credentials::WriteKey("k")),
            (r#"{"queryStringParameters":{"writeKey":"q"}}"#, Credentials::WriteKey("q")),
            (r#"{"headers":{},"queryStringParameters":null}"#, Credentials::Nothing),
        ] {
            assert_eq!(event(json).credentials(), expected, "{json}");
        }
    }
}
