//! What a deployable function is: a name, and how to start it.
//!
//! The same value is run by [`crate::lambda::run`] on Lambda and called in process by the local cloud.

use std::fmt;

use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::context::FunctionContext;
use system::environment::ConfigError;

/// One invocation, as Lambda describes it.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The id that logs and error answers carry.
    pub request_id: String,
    /// When the platform gives up on this invocation.
    pub deadline: Instant,
}

/// Why an invocation failed as a whole; the platform then retries what called it, if it is one that retries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvocationError {
    /// What happened, without personal data.
    pub message: String,
}

/// Why a function could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The environment does not describe what the function needs.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// A started function: takes the JSON of an event, gives the JSON of an answer.
pub trait Invoke: Send + Sync {
    /// Handles one event.
    fn invoke<'a>(
        &'a self,
        payload: &'a str,
        invocation: &'a Invocation,
    ) -> BoxFuture<'a, Result<String, InvocationError>>;
}

/// A started function, or why it could not start.
pub type StartResult = Result<Box<dyn Invoke>, StartError>;

/// Starts a function in its context.
pub type Start = fn(&FunctionContext) -> StartResult;

/// A deployable function.
#[derive(Clone, Copy)]
pub struct Function {
    /// Its name: that of its crate, its folder and its binary.
    pub name: &'static str,
    /// How it starts, once per sandbox.
    pub start: Start,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("name", &self.name).finish_non_exhaustive()
    }
}
