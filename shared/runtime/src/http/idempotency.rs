//! Requests that are done once, however often they are sent
//! ([the Idempotency-Key header](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/)).

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::problem::Problem;
use super::request::Request;
use super::response::Response;
use domain::id::{IdempotencyKey, UserId};
use domain::time::Time;
use store::{CompletionMark, IdempotencyState, IdempotencyStore, StoredResponse};

/// The namespace of the ids of requests.
const REQUESTS: Uuid = Uuid::from_u128(0x1f6c_8d0e_52b7_4f0a_9d35_6c1e_a4b0_77e2);

/// A request with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentRequest {
    user: UserId,
    operation: &'static str,
    key: IdempotencyKey,
    content: Value,
}

impl IdempotentRequest {
    /// The request of this content; nothing if it has no key.
    ///
    /// # Errors
    /// The caller is not signed in.
    pub fn of(request: &Request, operation: &'static str, content: Value) -> Result<Option<Self>, Problem> {
        let user = request.user()?.clone();
        let key = request.headers().idempotency_key.clone();
        Ok(key.map(|key| Self { user, operation, key, content }))
    }

    /// The same, of a request that must have a key.
    ///
    /// # Errors
    /// If it has none.
    pub fn required(request: &Request, operation: &'static str, content: Value) -> Result<Self, Problem> {
        let once = Self::of(request, operation, content)?;
        once.ok_or_else(|| Problem::Header { name: "Idempotency-Key".to_owned(), reason: "is required".to_owned() })
    }

    /// An id that this request has for ever, however often it is sent, and no other: a name-based UUID
    /// ([RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-5)), without hyphens. Answers are kept for a
    /// while; what was made under this id is there for ever, and is not made again.
    #[must_use]
    pub fn id(&self) -> String {
        // No id has a `#` in it, so no two requests have one name.
        let name = format!("{}#{}#{}", self.user, self.operation, self.key);
        Uuid::new_v5(&REQUESTS, name.as_bytes()).simple().to_string()
    }

    /// The answer that was given, if the request was done before.
    ///
    /// # Errors
    /// If another request was done with the same key.
    pub async fn answered(&self, answers: &IdempotencyStore) -> Result<Option<Response>, Problem> {
        match answers.standing((&self.user, self.operation, &self.key), &self.content).await? {
            IdempotencyState::New => Ok(None),
            IdempotencyState::Answered { status, body } => {
                let status = StatusCode::from_u16(status).map_err(|_| Problem::Internal)?;
                Ok(Some(Response::text(status, body)))
            }
            IdempotencyState::Reused => Err(Problem::KeyReused),
        }
    }

    /// When the request was done, if it was, by the mark that a [`IdempotentRequest::lasting_answer`] leaves for ever.
    ///
    /// # Errors
    /// If another request was done with the same key.
    pub async fn done(&self, answers: &IdempotencyStore) -> Result<Option<Time>, Problem> {
        match answers.mark(&self.id()).await? {
            None => Ok(None),
            Some(mark) if mark.content == self.fingerprint() => Ok(Some(mark.at)),
            Some(_) => Err(Problem::KeyReused),
        }
    }

    /// An id that follows from the content, in whichever order its fields come.
    fn fingerprint(&self) -> String {
        let mut text = String::new();
        canonical(&self.content, &mut text);
        Uuid::new_v5(&REQUESTS, text.as_bytes()).simple().to_string()
    }

    /// That it is answered so; and that it was done is known even when the answer has expired. For requests that make nothing
    /// under their own [`IdempotentRequest::id`].
    #[must_use]
    pub fn lasting_answer(&self, status: StatusCode, body: &Value, now: Time) -> StoredResponse {
        self.answer(status, body, now).marked(&self.id(), CompletionMark { content: self.fingerprint(), at: now })
    }

    /// That it is answered so.
    #[must_use]
    pub fn answer(&self, status: StatusCode, body: &Value, now: Time) -> StoredResponse {
        let answer = (status.as_u16(), body.to_string());
        StoredResponse::new((&self.user, self.operation, &self.key), &self.content, answer, now)
    }
}

/// Writes JSON with the fields of objects in their order.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&String, &Value> = fields.iter().collect();
            text.push('{');
            for (name, value) in fields {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                canonical(value, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for value in values {
                canonical(value, text);
                text.push(',');
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_fields_makes_no_other_content() {
        let of = |text: &str| {
            let mut canonical_text = String::new();
            canonical(&serde_json::from_str(text).unwrap(), &mut canonical_text);
            canonical_text
        };
        assert_eq!(
            of(r#"{"a": [1, {"c": null, "b": "x"}], "b": 2}"#),
            of(r#"{"b": 2, "a": [1, {"b": "x", "c": null}]}"#)
        );
        for other in [json!({"a": [1, 2]}), json!({"a": [12]}), json!({"a": ["1", 2]}), json!([["a"], [1, 2]])] {
            assert_ne!(of(&other.to_string()), of(r#"{"a": [2, 1]}"#), "{other}");
        }
    }
}
