//! Stored responses: a request that is repeated with its idempotency key gets the same response.
//!
//! Responses are stored for 30 days. The result of a request has an id that follows from its key, and is found under it
//! for good. A request without such a result leaves a small completion mark, with a fingerprint of its content.

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::TimeDelta;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::StoreError;
use super::items::{Item, TTL, from_item, to_item};
use super::keys::{self, Key};
use super::setup::{Setup, StateTable};
use super::table::Consistency;
use super::transaction::{Condition, Transaction};
use domain::id::{IdempotencyKey, UserId};
use domain::time::Time;

/// How long a repeated request gets the same response.
const KEPT: TimeDelta = TimeDelta::days(30);

/// A response to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResponse {
    key: Key,
    kept: Kept,
    expires: i64,
    mark: Option<(Key, CompletionMark)>,
}

/// The mark of a completed request, kept for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionMark {
    /// The fingerprint of the content.
    pub content: String,
    /// When it was done.
    pub at: Time,
}

/// A response as an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    request: String,
    status: u16,
    body: String,
}

impl StoredResponse {
    /// The response to a user's request of this content, with this key.
    #[must_use]
    pub fn new(
        (user, operation, key): (&UserId, &str, &IdempotencyKey),
        request: &Value,
        (status, body): (u16, String),
        now: Time,
    ) -> Self {
        let kept = Kept { request: request.to_string(), status, body };
        Self { key: keys::answer(user, operation, key), kept, expires: now.plus(KEPT).seconds(), mark: None }
    }

    /// Adds the completion mark of the request of this id.
    #[must_use]
    pub fn marked(self, request: &str, mark: CompletionMark) -> Self {
        Self { mark: Some((keys::done(request), mark)), ..self }
    }

    /// Stores the response if and when a transaction commits, on the condition that it is the first for its key.
    pub(super) fn put_in(&self, state: &str, transaction: &mut Transaction) -> Result<(), StoreError> {
        if let Some((key, mark)) = &self.mark {
            transaction.put(state, to_item(key, mark)?, Some(Condition::unchanged(None)))?;
        }
        transaction.put(state, self.item()?, Some(Condition::unchanged(None)))
    }

    fn item(&self) -> Result<Item, StoreError> {
        let mut item = to_item(&self.key, &self.kept)?;
        item.insert(TTL.to_owned(), AttributeValue::N(self.expires.to_string()));
        Ok(item)
    }
}

/// The state of an idempotent request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotencyState {
    /// Nothing: it is to be done.
    New,
    /// The request was completed with this response.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
    /// Another request was done with its key.
    Reused,
}

/// The table of answers.
#[derive(Debug, Clone)]
pub struct IdempotencyStore {
    state: StateTable,
}

impl IdempotencyStore {
    /// Opens the stored responses.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        Self { state: setup.state_table() }
    }

    /// Stores a response if and when a transaction commits, on the condition that it is the first for its key.
    pub(super) fn put_in(&self, answer: &StoredResponse, transaction: &mut Transaction) -> Result<(), StoreError> {
        answer.put_in(&self.state.name, transaction)
    }

    /// The mark that the request of this id was done, if it was; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn mark<'a>(&'a self, request: &'a str) -> BoxFuture<'a, Result<Option<CompletionMark>, StoreError>> {
        Box::pin(
            async move { self.state.get(&keys::done(request), Consistency::Strong).await?.map(from_item).transpose() },
        )
    }

    /// The state of a user's request of this content, with this key; strongly consistent.
    ///
    /// # Errors
    /// If it could not be read, or is not what this program writes.
    pub fn standing<'a>(
        &'a self,
        (user, operation, key): (&'a UserId, &'a str, &'a IdempotencyKey),
        request: &'a Value,
    ) -> BoxFuture<'a, Result<IdempotencyState, StoreError>> {
        Box::pin(async move {
            let kept = self.state.get(&keys::answer(user, operation, key), Consistency::Strong).await?;
            let kept: Option<Kept> = kept.map(from_item).transpose()?;
            // The same content is the same request, in any order of its fields.
            let is_same = |kept: &Kept| serde_json::from_str::<Value>(&kept.request).is_ok_and(|kept| kept == *request);
            Ok(match kept {
                None => IdempotencyState::New,
                Some(kept) if is_same(&kept) => IdempotencyState::Answered { status: kept.status, body: kept.body },
                Some(_) => IdempotencyState::Reused,
            })
        })
    }
}
