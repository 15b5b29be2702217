//! Calling functions: in this process, or in `cargo lambda watch`.

mod cargo_lambda;
mod config;
mod in_process;
mod recursion;

use futures::future::BoxFuture;

pub use cargo_lambda::{BUILDING, CargoLambda, environments};
pub use config::FunctionConfig;
pub use in_process::{Deployment, InProcess};
pub use recursion::{LONGEST_CHAIN, LoopDetection};

use crate::trace::Trace;

/// The most bytes that Lambda takes as an event, or as an answer.
pub const LARGEST_PAYLOAD: usize = 6 * 1024 * 1024;

/// What a function is invoked with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// The JSON that it gets.
    pub payload: String,
    /// The chain of invocations that leads to this one.
    pub trace: Trace,
}

impl From<String> for Event {
    /// An event that begins a chain.
    fn from(payload: String) -> Self {
        Self { payload, trace: Trace::default() }
    }
}

/// Calls functions by their logical id in the template.
pub trait Invoker: Send + Sync {
    /// Invokes a function with an event and waits for the JSON of its answer.
    fn invoke<'a>(&'a self, function: &'a str, event: Event) -> BoxFuture<'a, Result<String, InvokeFailure>>;
}

/// Why an invocation gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeFailure {
    /// The function panicked; its sandbox is gone.
    #[error("the function panicked: {0}")]
    Panicked(String),
    /// The function ran into its timeout; its sandbox is gone.
    #[error("the function timed out")]
    TimedOut,
    /// The function answered with an error.
    #[error("the function failed: {message}")]
    Failed {
        /// The function's message.
        message: String,
    },
    /// The function could not be reached or could not start.
    #[error("the function is unavailable")]
    Unavailable,
    /// The function was not invoked: its chain of requests has invoked it too often.
    #[error(
        "not invoked: one chain of requests has invoked it {LONGEST_CHAIN} times, and its RecursiveLoop is not Allow"
    )]
    Recursive,
}
