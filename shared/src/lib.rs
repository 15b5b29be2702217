//! What every function of Tally stands on.
//!
//! The modules form layers, and each uses only what stands above it here: `domain` (pure rules and
//! folds), `store` (keys, items, facts, folds), then `http`, `stream`, `batch`, `task`, `messaging` and `secrets`,
//! then `function` and `boot`, which turn a handler into a Lambda function, and `live`, which finds the way to the server of
//! channels; last `desk`, on which whatever changes courses stands.
//!
//! Architecture invariant: `domain` knows no AWS, no clock and no environment; only `store` knows
//! keys and attribute names.

pub mod clock;
pub mod config;
pub mod ids;
pub mod obs;

pub mod backoff;
pub mod cached;

pub mod domain;
pub mod store;

pub mod batch;
pub mod http;
pub mod messaging;
pub mod secrets;
pub mod stream;
pub mod task;

pub mod boot;
pub mod function;
pub mod live;
pub mod refold;

pub mod desk;

#[cfg(test)]
mod testing;

pub use futures::future::BoxFuture;
