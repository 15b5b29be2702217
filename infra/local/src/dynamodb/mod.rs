//! DynamoDB with its streams, embedded.
//!
//! The engine is `dynoxide`'s storage and operations on one SQLite connection, owned here and not by
//! the library's own facade, because what surrounds it needs the connection too: the index that keeps
//! stream writes fast, reading and pruning streams, the checkpoints of their readers, and the sweep of
//! expired items. Every call, in process or over HTTP, comes through [`Database::call`], so every write
//! wakes the streams' readers.
//!
//! Architecture invariant: nothing here knows of mappings or functions.

mod bulk;
mod checkpoint;
mod config;
mod execute;
mod request;
mod store;
mod stream;
mod tables;
mod torn;
mod ttl;

#[cfg(test)]
mod tests;

pub use config::{Attribute, AttributeKind, IndexConfig, KeySchema, Projection, StreamView, TableConfig};
pub use store::{Database, DatabaseError};
pub use stream::{Change, StreamPage, StreamRecord, shard_id};
