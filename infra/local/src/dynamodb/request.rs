//! Requests, and the rights that they need.

use dynoxide::actions::{
    batch_get_item, batch_write_item, create_table, delete_item, delete_table, describe_stream, describe_table,
    describe_time_to_live, get_item, get_records, get_shard_iterator, list_streams, list_tables, put_item, query, scan,
    transact_get_items, transact_write_items, update_item, update_time_to_live,
};
use dynoxide::{DynoxideError, Result};
use serde::de::DeserializeOwned;

use crate::iam::Access;
use crate::wire::{index_arn, table_arn};

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

    /// Asks for the units used, where the caller did not; says whether it had to.
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
                request.transact_items.iter().filter_map(write_target).map(|(_, table)| table.clone()).collect()
            }
            _ => Vec::new(),
        };
        tables.sort();
        tables.dedup();
        tables
    }

    /// The rights that a caller needs, as IAM asks for them: for a transaction those of its parts.
    pub(super) fn accesses(&self) -> Vec<Access> {
        let on_table = |action: &'static str, table: &str| vec![Access::new(action, table_arn(table))];
        let indexed = |action: &'static str, table: &str, index: Option<&String>| match index {
            Some(index) => vec![Access::new(action, index_arn(table, index))],
            None => vec![Access::new(action, table_arn(table))],
        };
        let on_everything = |action: &'static str| vec![Access::new(action, "*".to_owned())];
        let each = |action: &'static str| {
            self.tables().iter().map(|table| Access::new(action, table_arn(table))).collect::<Vec<_>>()
        };
        match self {
            Self::BatchGetItem(_) => each("dynamodb:BatchGetItem"),
            Self::BatchWriteItem(_) => each("dynamodb:BatchWriteItem"),
            Self::CreateTable(request) => on_table("dynamodb:CreateTable", &request.table_name),
            Self::DeleteItem(request) => on_table("dynamodb:DeleteItem", &request.table_name),
            Self::DeleteTable(request) => on_table("dynamodb:DeleteTable", &request.table_name),
            Self::DescribeStream(request) => {
                vec![Access::new("dynamodb:DescribeStream", super::execute::public_arn(&request.stream_arn))]
            }
            Self::DescribeTable(request) => on_table("dynamodb:DescribeTable", &request.table_name),
            Self::DescribeTimeToLive(request) => on_table("dynamodb:DescribeTimeToLive", &request.table_name),
            Self::GetItem(request) => on_table("dynamodb:GetItem", &request.table_name),
            Self::GetRecords(_) => on_everything("dynamodb:GetRecords"),
            Self::GetShardIterator(request) => {
                vec![Access::new("dynamodb:GetShardIterator", super::execute::public_arn(&request.stream_arn))]
            }
            Self::ListStreams(_) => on_everything("dynamodb:ListStreams"),
            Self::ListTables(_) => on_everything("dynamodb:ListTables"),
            Self::PutItem(request) => on_table("dynamodb:PutItem", &request.table_name),
            Self::Query(request) => indexed("dynamodb:Query", &request.table_name, request.index_name.as_ref()),
            Self::Scan(request) => indexed("dynamodb:Scan", &request.table_name, request.index_name.as_ref()),
            Self::TransactGetItems(_) => each("dynamodb:GetItem"),
            Self::TransactWriteItems(request) => {
                let needed = |(action, table): (&'static str, &String)| Access::new(action, table_arn(table));
                request.transact_items.iter().filter_map(write_target).map(needed).collect()
            }
            Self::UpdateItem(request) => on_table("dynamodb:UpdateItem", &request.table_name),
            Self::UpdateTimeToLive(request) => on_table("dynamodb:UpdateTimeToLive", &request.table_name),
        }
    }
}

/// What a part of a transaction does, and to which table.
fn write_target(item: &transact_write_items::TransactWriteItem) -> Option<(&'static str, &String)> {
    let put = item.put.as_ref().map(|put| ("dynamodb:PutItem", &put.table_name));
    let update = item.update.as_ref().map(|update| ("dynamodb:UpdateItem", &update.table_name));
    let delete = item.delete.as_ref().map(|delete| ("dynamodb:DeleteItem", &delete.table_name));
    let check = item.condition_check.as_ref().map(|check| ("dynamodb:ConditionCheckItem", &check.table_name));
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
