//! What passes between a function's AWS clients and the services, without sockets.
//!
//! Every call goes through the same layers: faults (in tests), the caller's policy, the
//! meter, and then the service itself.

mod answer;
mod arn;
mod client;
mod faults;
mod stop;
mod unprocessed;

#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use arn::{ACCOUNT, REGION, arn_name, function_arn, index_arn, queue_arn, queue_url, stream_arn, table_arn};
pub use client::{ClientOptions, Services};
pub use faults::{Call, Fault, Faults, Service};
pub(crate) use stop::pause;
