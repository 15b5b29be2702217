//! Functions that do nothing: what a function's size and start are measured against.
//!
//! `empty` stands on the Lambda runtime alone, the least that any function in Rust costs.
//! `empty-booted` stands on `shared` as Tally's functions do, but never calls AWS.

use futures::future::BoxFuture;
use runtime::function::{Function, Invocation, InvocationError, Invoke};

/// The binaries, the barest first.
pub const BINARIES: [&str; 2] = ["empty", "empty-booted"];

/// The function that does nothing, on `shared`.
pub const FUNCTION: Function = Function { name: "empty-booted", start: |_| Ok(Box::new(Nothing)) };

struct Nothing;

impl Invoke for Nothing {
    fn invoke<'a>(&'a self, _: &'a str, _: &'a Invocation) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async { Ok("{}".to_owned()) })
    }
}
