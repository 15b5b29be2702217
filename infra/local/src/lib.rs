//! The local cloud: everything that `template.yaml` describes, in one process.
//!
//! The template is read into typed configs ([`template`]); tables, queues, event source mappings and
//! schedules are made of them, functions run in process ([`lambda`]), and the HTTP API is served as
//! API Gateway serves it ([`gateway`]). [`cloud::LocalCloud`] starts and stops the whole.

pub mod capacity;
pub mod channels;
pub mod cli;
pub mod cloud;
pub mod dynamodb;
pub mod endpoint;
pub mod functions;
pub mod gateway;
pub mod iam;
pub mod lambda;
pub mod listener;
pub mod loopback;
pub mod mapping;
pub mod private;
pub mod schedule;
pub mod secrets;
pub mod sqs;
pub mod template;
pub mod tokens;
pub mod trace;
pub mod wire;

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod testing_time;
