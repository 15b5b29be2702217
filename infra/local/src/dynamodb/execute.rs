//! Carries out requests on the engine.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dynoxide::actions::{
    batch_get_item, batch_write_item, create_table, delete_item, delete_table, describe_stream, describe_table,
    describe_time_to_live, get_item, get_records, get_shard_iterator, list_streams, list_tables, put_item, query, scan,
    transact_get_items, transact_write_items, update_item, update_time_to_live, vector_lifecycle,
};
use dynoxide::types::ConsumedCapacity;
use dynoxide::{DynoxideError, Result};
use futures::FutureExt;
use serde::Serialize;
use serde_json::Value;

use super::request::Request;
use super::{Database, StreamView, bulk};
use crate::capacity::Usage;
use crate::wire::REGION;

/// Where the engine says it is.
const ENGINE_REGION: &str = "arn:aws:dynamodb:dynoxide:";

/// How long a token identifies a repeated transaction.
const TOKEN_WINDOW: Duration = Duration::from_secs(600);

/// The transactions of the last minutes, by their client's token.
#[derive(Debug, Default)]
pub(super) struct Tokens(HashMap<String, (Instant, Value)>);

/// A request that was carried out.
#[derive(Debug)]
pub(super) struct Done {
    /// The answer.
    pub(super) body: String,
    /// The consumed units, if the request wanted them.
    pub(super) used: Vec<(String, Usage)>,
}

/// Runs an operation of the engine. Its futures never wait: all they do is call SQLite.
fn now<T>(operation: impl Future<Output = Result<T>>) -> Result<T> {
    operation
        .now_or_never()
        .unwrap_or_else(|| Err(DynoxideError::InternalServerError("the engine waited for something".to_owned())))
}

fn answer<T: Serialize>(response: &T) -> Result<Done> {
    let body =
        serde_json::to_string(response).map_err(|error| DynoxideError::InternalServerError(error.to_string()))?;
    Ok(Done { body, used: Vec::new() })
}

/// As [`answer`], with every ARN in the local cloud's region.
fn described<T: Serialize>(response: &T) -> Result<Done> {
    let mut done = answer(response)?;
    done.body = public_arn(&done.body);
    Ok(done)
}

/// An ARN as callers see it.
pub(super) fn public_arn(text: &str) -> String {
    text.replace(ENGINE_REGION, &format!("arn:aws:dynamodb:{REGION}:"))
}

fn used<'a>(is_write: bool, capacity: impl IntoIterator<Item = &'a ConsumedCapacity>) -> Vec<(String, Usage)> {
    let usage = |consumed: &ConsumedCapacity| {
        let (read, write) = (consumed.read_capacity_units, consumed.write_capacity_units);
        let (read_units, write_units) = match (is_write, read, write) {
            (_, Some(read), Some(write)) => (read, write),
            (true, ..) => (0.0, consumed.capacity_units),
            (false, ..) => (consumed.capacity_units, 0.0),
        };
        (consumed.table_name.clone(), Usage { calls: 1, failures: 0, read_units, write_units })
    };
    capacity.into_iter().map(usage).collect()
}

impl Request {
    /// Executes the request. Units that only the meter needs are left out of the answer.
    pub(super) fn execute(
        self,
        database: &Database,
        tokens: &Mutex<Tokens>,
        metered: bool,
        torn: bool,
    ) -> Result<Done> {
        let is_write = self.is_write();
        macro_rules! items {
            ($action:ident, $request:expr) => {
                items!(now($action::execute(&*database.lock(), *$request))?)
            };
            ($response:expr) => {{
                let mut response = $response;
                let used = used(is_write, response.consumed_capacity.as_ref());
                if metered {
                    response.consumed_capacity = None;
                }
                Ok(Done { used, ..answer(&response)? })
            }};
        }
        macro_rules! batch {
            ($action:ident, $request:expr) => {
                batch!(now($action::execute(&*database.lock(), *$request))?)
            };
            ($response:expr) => {{
                let mut response = $response;
                let used = used(is_write, response.consumed_capacity.iter().flatten());
                if metered {
                    response.consumed_capacity = None;
                }
                Ok(Done { used, ..answer(&response)? })
            }};
        }
        macro_rules! description {
            ($action:ident, $request:expr) => {
                described(&now($action::execute(&*database.lock(), *$request))?)
            };
            ($action:ident, $request:expr, $lifecycle:expr) => {
                described(&now($action::execute(&*database.lock(), *$request, $lifecycle))?)
            };
        }
        let lifecycle = vector_lifecycle::VectorIndexLifecycle::new;
        match self {
            Self::BatchGetItem(request) => {
                batch!(database.read_torn(torn, |storage| now(batch_get_item::execute(storage, *request)))?)
            }
            Self::BatchWriteItem(mut request) => match bulk::put_all(database, &mut request)? {
                Some(mut done) => {
                    let used = used(is_write, done.consumed_capacity.iter().flatten());
                    if metered {
                        done.consumed_capacity = None;
                    }
                    Ok(Done { used, ..answer(&done)? })
                }
                None => batch!(batch_write_item, request),
            },
            Self::DeleteItem(request) => items!(delete_item, request),
            Self::GetItem(request) => items!(get_item, request),
            Self::PutItem(request) => items!(put_item, request),
            Self::Query(request) => {
                items!(database.read_torn(torn, |storage| now(query::execute(storage, *request)))?)
            }
            Self::Scan(request) => {
                items!(database.read_torn(torn, |storage| now(scan::execute(storage, *request)))?)
            }
            Self::TransactGetItems(request) => batch!(transact_get_items, request),
            Self::TransactWriteItems(request) => once(tokens, request, |request| batch!(transact_write_items, request)),
            Self::UpdateItem(request) => items!(update_item, request),
            Self::CreateTable(request) => description!(create_table, request),
            Self::DeleteTable(request) => description!(delete_table, request, &lifecycle()),
            Self::DescribeTable(request) => description!(describe_table, request, &lifecycle()),
            Self::DescribeTimeToLive(request) => description!(describe_time_to_live, request),
            Self::GetShardIterator(request) => description!(get_shard_iterator, request),
            Self::ListStreams(request) => description!(list_streams, request),
            Self::ListTables(request) => description!(list_tables, request),
            Self::UpdateTimeToLive(request) => description!(update_time_to_live, request),
            Self::DescribeStream(request) => {
                let mut response = now(describe_stream::execute(&*database.lock(), *request))?;
                let description = &mut response.stream_description;
                if let Some(view) = database.view(&description.table_name) {
                    description.stream_view_type = view.as_str().to_owned();
                }
                described(&response)
            }
            Self::GetRecords(request) => {
                let table = stream_table(&request.shard_iterator);
                let mut response = now(get_records::execute(&*database.lock(), *request))?;
                project(&mut response, table.and_then(|table| database.view(&table)));
                answer(&response)
            }
        }
    }
}

/// Carries out a transaction unless it was carried out already under the same token.
fn once(
    tokens: &Mutex<Tokens>,
    request: Box<transact_write_items::TransactWriteItemsRequest>,
    run: impl FnOnce(Box<transact_write_items::TransactWriteItemsRequest>) -> Result<Done>,
) -> Result<Done> {
    let Some(token) = request.client_request_token.clone() else { return run(request) };
    let items = serde_json::to_value(&request.transact_items)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))?;
    // Held while the transaction runs, so that its repeat waits for it.
    let mut tokens = tokens.lock().unwrap_or_else(PoisonError::into_inner);
    tokens.0.retain(|_, (at, _)| at.elapsed() < TOKEN_WINDOW);
    match tokens.0.get(&token) {
        Some((_, first)) if *first == items => Ok(Done { body: "{}".to_owned(), used: Vec::new() }),
        Some(_) => Err(DynoxideError::IdempotentParameterMismatchException(
            "An error occurred (IdempotentParameterMismatchException)".to_owned(),
        )),
        None => {
            let done = run(request)?;
            tokens.0.insert(token, (Instant::now(), items));
            Ok(done)
        }
    }
}

/// The table that a shard iterator reads.
fn stream_table(iterator: &str) -> Option<String> {
    get_shard_iterator::decode_shard_iterator(iterator).map(|(table, _, _)| table)
}

/// Leaves out of a stream what AWS would: changes that changed nothing, and images beyond the view.
fn project(response: &mut get_records::GetRecordsResponse, view: Option<StreamView>) {
    response.records.retain(|record| match (&record.dynamodb.old_image, &record.dynamodb.new_image) {
        (Some(old), Some(new)) => old != new,
        _ => true,
    });
    for record in &mut response.records {
        REGION.clone_into(&mut record.aws_region);
        let Some(view) = view else { continue };
        view.as_str().clone_into(&mut record.dynamodb.stream_view_type);
        if !view.shows_new() {
            record.dynamodb.new_image = None;
        }
        if !view.shows_old() {
            record.dynamodb.old_image = None;
        }
    }
}
