//! Requests, and the rights that they need.

use dynoxide::actions::{
    batch_get_item, batch_write_item, create_table, delete_item, delete_table, describe_stream, describe_table,
    describe_time_to_live, get_item, get_records, get_shard_iterator, list_streams, list_tables, put_item, query, scan,
    transact_get_items, transact_write_items, update_item, update_time_to_live,
};
use dynoxide::types::{AttributeValue, Item};
use dynoxide::{DynoxideError, Result};
use serde::de::DeserializeOwned;

use super::config::TableConfig;
use super::store::Database;
use crate::iam::Access;
use crate::wire::{index_arn, stream_arn, table_arn};

macro_rules! requests {
    ($($operation:ident => $request:path),* $(,)?) => {
        /// A request of an operation that the local cloud knows.
        #[derive(Debug)]
        pub(super) enum Request {
            $($operation(Box<$request>),)*
        }

        impl Request {
            /// Reads a request; none if the operation is not known.
            pub(super) fn parse(operation: &str, body: &str) -> Result<Option<Self>> {
                Ok(Some(match operation {
                    $(stringify!($operation) => Self::$operation(Box::new(deserialize(body)?)),)*
                    _ => return Ok(None),
                }))
            }
        }
    };
}

requests! {
    BatchGetItem => batch_get_item::BatchGetItemRequest,
    BatchWriteItem => batch_write_item::BatchWriteItemRequest,
    CreateTable => create_table::CreateTableRequest,
    DeleteItem => delete_item::DeleteItemRequest,
    DeleteTable => delete_table::DeleteTableRequest,
    DescribeStream => describe_stream::DescribeStreamRequest,
    DescribeTable => describe_table::DescribeTableRequest,
    DescribeTimeToLive => describe_time_to_live::DescribeTimeToLiveRequest,
    GetItem => get_item::GetItemRequest,
    GetRecords => get_records::GetRecordsRequest,
    GetShardIterator => get_shard_iterator::GetShardIteratorRequest,
    ListStreams => list_streams::ListStreamsRequest,
    ListTables => list_tables::ListTablesRequest,
    PutItem => put_item::PutItemRequest,
    Query => query::QueryRequest,
    Scan => scan::ScanRequest,
    TransactGetItems => transact_get_items::TransactGetItemsRequest,
    TransactWriteItems => transact_write_items::TransactWriteItemsRequest,
    UpdateItem => update_item::UpdateItemRequest,
    UpdateTimeToLive => update_time_to_live::UpdateTimeToLiveRequest,
}

impl Request {
    /// Whether items may change.
    pub(super) fn is_write(&self) -> bool {
        matches!(
            self,
            Self::BatchWriteItem(_)
                | Self::DeleteItem(_)
                | Self::PutItem(_)
                | Self::TransactWriteItems(_)
                | Self::UpdateItem(_)
        )
    }

    /// Requests the consumed units if the caller did not. Returns whether it changed the request.
    pub(super) fn meter(&mut self) -> bool {
        let mode = match self {
            Self::BatchGetItem(request) => &mut request.return_consumed_capacity,
            Self::BatchWriteItem(request) => &mut request.return_consumed_capacity,
            Self::DeleteItem(request) => &mut request.return_consumed_capacity,
            Self::GetItem(request) => &mut request.return_consumed_capacity,
            Self::PutItem(request) => &mut request.return_consumed_capacity,
            Self::Query(request) => &mut request.return_consumed_capacity,
            Self::Scan(request) => &mut request.return_consumed_capacity,
            Self::TransactGetItems(request) => &mut request.return_consumed_capacity,
            Self::TransactWriteItems(request) => &mut request.return_consumed_capacity,
            Self::UpdateItem(request) => &mut request.return_consumed_capacity,
            _ => return false,
        };
        let asked = matches!(mode.as_deref(), Some("TOTAL" | "INDEXES"));
        if !asked {
            *mode = Some("TOTAL".to_owned());
        }
        !asked
    }

    /// The tables whose items are read or written.
    pub(super) fn tables(&self) -> Vec<String> {
        let mut tables: Vec<String> = match self {
            Self::BatchGetItem(request) => request.request_items.keys().cloned().collect(),
            Self::BatchWriteItem(request) => request.request_items.keys().cloned().collect(),
            Self::DeleteItem(request) => vec![request.table_name.clone()],
            Self::GetItem(request) => vec![request.table_name.clone()],
            Self::PutItem(request) => vec![request.table_name.clone()],
            Self::Query(request) => vec![request.table_name.clone()],
            Self::Scan(request) => vec![request.table_name.clone()],
            Self::UpdateItem(request) => vec![request.table_name.clone()],
            Self::TransactGetItems(request) => {
                request.transact_items.iter().map(|item| item.get.table_name.clone()).collect()
            }
            Self::TransactWriteItems(request) => {
                request.transact_items.iter().filter_map(write_target).map(|(_, table, _)| table.clone()).collect()
            }
            _ => Vec::new(),
        };
        tables.sort();
        tables.dedup();
        tables
    }

    /// The items that are written one by one, each with its table; for a transaction those that it changes.
    pub(super) fn written(&self) -> Vec<(&String, &Item)> {
        match self {
            Self::DeleteItem(request) => vec![(&request.table_name, &request.key)],
            Self::PutItem(request) => vec![(&request.table_name, &request.item)],
            Self::UpdateItem(request) => vec![(&request.table_name, &request.key)],
            Self::BatchWriteItem(request) => {
                let each = request.request_items.iter();
                let writes = each.flat_map(|(table, writes)| writes.iter().map(move |write| (table, write)));
                writes
                    .filter_map(|(table, write)| {
                        let put = write.put_request.as_ref().map(|put| &put.item);
                        Some((table, put.or_else(|| write.delete_request.as_ref().map(|delete| &delete.key))?))
                    })
                    .collect()
            }
            Self::TransactWriteItems(request) => {
                let targets = request.transact_items.iter().filter(|item| item.condition_check.is_none());
                targets.filter_map(write_target).map(|(_, table, item)| (table, item)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The items that are read each by itself, serializable against transactions.
    pub(super) fn got(&self) -> Vec<(&String, &Item)> {
        match self {
            Self::GetItem(request) => vec![(&request.table_name, &request.key)],
            Self::TransactGetItems(request) => {
                request.transact_items.iter().map(|item| (&item.get.table_name, &item.get.key)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The rights that a caller needs, as IAM asks for them: for a transaction those of its parts. The partition keys are
    /// among them where a database is given that knows what they are called.
    pub(super) fn accesses(&self, keyed_by: Option<&Database>) -> Vec<Access> {
        let hash = |table: &str| Some(keyed_by?.table(table)?.key_schema.hash);
        let on = |action: &'static str, table: &str| Access::new(action, table_arn(table));
        let on_item = |action: &'static str, table: &str, item: &Item| {
            let key = hash(table).and_then(|hash| leading(item.get(&hash)?));
            on(action, table).on_keys(key.into_iter().collect())
        };
        let on_items = |action: &'static str, table: &str, items: Vec<&Item>| {
            let hash = hash(table);
            let keys = items.into_iter().filter_map(|item| leading(item.get(hash.as_ref()?)?)).collect();
            on(action, table).on_keys(keys)
        };
        let indexed = |action: &'static str, table: &str, index: Option<&String>| match index {
            Some(index) => Access::new(action, index_arn(table, index)),
            None => on(action, table),
        };
        let on_everything = |action: &'static str| Access::new(action, "*".to_owned());
        match self {
            Self::BatchGetItem(request) => {
                let each = request.request_items.iter();
                each.map(|(table, keys)| on_items("dynamodb:BatchGetItem", table, keys.keys.iter().collect())).collect()
            }
            Self::BatchWriteItem(request) => {
                let written = |write: &'_ batch_write_item::WriteRequest| {
                    let put = write.put_request.as_ref().map(|put| put.item.clone());
                    put.or_else(|| write.delete_request.as_ref().map(|delete| delete.key.clone()))
                };
                let each = request.request_items.iter();
                each.map(|(table, writes)| {
                    let items: Vec<Item> = writes.iter().filter_map(written).collect();
                    on_items("dynamodb:BatchWriteItem", table, items.iter().collect())
                })
                .collect()
            }
            Self::CreateTable(request) => vec![on("dynamodb:CreateTable", &request.table_name)],
            Self::DeleteItem(request) => vec![on_item("dynamodb:DeleteItem", &request.table_name, &request.key)],
            Self::DeleteTable(request) => vec![on("dynamodb:DeleteTable", &request.table_name)],
            Self::DescribeStream(request) => {
                vec![Access::new("dynamodb:DescribeStream", super::execute::public_arn(&request.stream_arn))]
            }
            Self::DescribeTable(request) => vec![on("dynamodb:DescribeTable", &request.table_name)],
            Self::DescribeTimeToLive(request) => vec![on("dynamodb:DescribeTimeToLive", &request.table_name)],
            Self::GetItem(request) => vec![on_item("dynamodb:GetItem", &request.table_name, &request.key)],
            Self::GetRecords(request) => {
                let read = get_shard_iterator::decode_shard_iterator(&request.shard_iterator);
                let of_table = |(table, ..): (String, _, _)| Access::new("dynamodb:GetRecords", stream_arn(&table));
                vec![read.map_or_else(|| on_everything("dynamodb:GetRecords"), of_table)]
            }
            Self::GetShardIterator(request) => {
                vec![Access::new("dynamodb:GetShardIterator", super::execute::public_arn(&request.stream_arn))]
            }
            Self::ListStreams(_) => vec![on_everything("dynamodb:ListStreams")],
            Self::ListTables(_) => vec![on_everything("dynamodb:ListTables")],
            Self::PutItem(request) => vec![on_item("dynamodb:PutItem", &request.table_name, &request.item)],
            Self::Query(request) => {
                let key = keyed_by.and_then(|database| queried(request, &database.table(&request.table_name)?));
                let access = indexed("dynamodb:Query", &request.table_name, request.index_name.as_ref());
                vec![access.on_keys(key.into_iter().collect())]
            }
            Self::Scan(request) => {
                vec![indexed("dynamodb:Scan", &request.table_name, request.index_name.as_ref())]
            }
            Self::TransactGetItems(request) => {
                let parts = request.transact_items.iter().map(|item| &item.get);
                parts.map(|get| on_item("dynamodb:GetItem", &get.table_name, &get.key)).collect()
            }
            Self::TransactWriteItems(request) => {
                let targets = request.transact_items.iter().filter_map(write_target);
                targets.map(|(action, table, item)| on_item(action, table, item)).collect()
            }
            Self::UpdateItem(request) => vec![on_item("dynamodb:UpdateItem", &request.table_name, &request.key)],
            Self::UpdateTimeToLive(request) => vec![on("dynamodb:UpdateTimeToLive", &request.table_name)],
        }
    }
}

/// The value of a partition key, as `dynamodb:LeadingKeys` has it.
fn leading(value: &AttributeValue) -> Option<String> {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => Some(text.clone()),
        _ => None,
    }
}

/// The partition key of a query.
fn queried(request: &query::QueryRequest, table: &TableConfig) -> Option<String> {
    let index = |name: &String| {
        let indexes = table.gsis.iter().chain(&table.lsis);
        indexes.clone().find(|index| index.name == *name).map(|index| &index.key_schema)
    };
    let hash = &request.index_name.as_ref().map_or(Some(&table.key_schema), index)?.hash;
    let (names, values) = (request.expression_attribute_names.as_ref(), &request.expression_attribute_values);
    let condition = request.key_condition_expression.as_ref()?.replace('=', " = ").replace(['(', ')', ','], " ");
    let words: Vec<&str> = condition.split_whitespace().collect();
    words.windows(3).find_map(|words| match words {
        [name, "=", value] => {
            let name = names.and_then(|names| names.get(*name)).map_or(*name, String::as_str);
            leading(values.as_ref().filter(|_| name == hash)?.get(*value)?)
        }
        _ => None,
    })
}

/// What a part of a transaction does, to which table, and to which item.
fn write_target(item: &transact_write_items::TransactWriteItem) -> Option<(&'static str, &String, &Item)> {
    let put = item.put.as_ref().map(|put| ("dynamodb:PutItem", &put.table_name, &put.item));
    let update = item.update.as_ref().map(|update| ("dynamodb:UpdateItem", &update.table_name, &update.key));
    let delete = item.delete.as_ref().map(|delete| ("dynamodb:DeleteItem", &delete.table_name, &delete.key));
    let check = item.condition_check.as_ref();
    let check = check.map(|check| ("dynamodb:ConditionCheckItem", &check.table_name, &check.key));
    put.or(update).or(delete).or(check)
}

/// Reads a request, telling apart what DynamoDB tells apart in a malformed one: the engine marks it at
/// the start of its message.
fn deserialize<T: DeserializeOwned>(body: &str) -> Result<T> {
    serde_json::from_str(body).map_err(|error| {
        let message = error.to_string();
        let plain = |marked: &str| marked.split(" at line ").next().unwrap_or(marked).to_owned();
        if let Some(marked) = message.strip_prefix("SERIALIZATION:") {
            DynoxideError::SerializationException(plain(marked))
        } else if let Some(marked) = message.strip_prefix("VALIDATION_REQUEST:") {
            DynoxideError::EnvelopedValidation(plain(marked))
        } else if let Some(marked) = message.strip_prefix("VALIDATION:") {
            DynoxideError::ValidationException(plain(marked))
        } else if error.is_data() {
            DynoxideError::ValidationException(plain(&message))
        } else {
            DynoxideError::SerializationException(plain(&message))
        }
    })
}
