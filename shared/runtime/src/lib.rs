//! What turns a handler into a Lambda function: the context that surrounds it, requests and answers, batches of records and
//! messages, tasks, secrets, logs and metrics.

pub mod batch;
pub mod cached;
pub mod context;
pub mod course_service;
pub mod function;
pub mod http;
pub mod job;
pub mod lambda;
pub mod messaging;
pub mod obs;
pub mod pusher;
pub mod refold;
pub mod secrets;
pub mod stream;
pub mod task;

#[cfg(test)]
mod testing;

pub use futures::future::BoxFuture;
