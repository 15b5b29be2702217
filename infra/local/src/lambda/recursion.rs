//! Lambda's detection of recursive loops: what one chain of requests has invoked too often is not invoked again.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use system::clock::Clock;
use system::ids::Ids;

use super::{Event, FunctionConfig, InvokeFailure, Invoker};

/// How often a chain may invoke a function; Lambda says "approximately"
/// ([recursive loops](https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html)).
pub const LONGEST_CHAIN: u32 = 16;

/// Functions behind the detection.
pub struct LoopDetection {
    functions: Arc<dyn Invoker>,
    /// Those whose loops the template allows.
    allowed: BTreeSet<String>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl LoopDetection {
    /// Puts the detection before functions.
    #[must_use]
    pub fn new<'a>(
        functions: Arc<dyn Invoker>,
        configs: impl IntoIterator<Item = &'a FunctionConfig>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Self {
        let allowed = configs.into_iter().filter(|config| config.may_loop).map(|config| config.logical_id.clone());
        Self { functions, allowed: allowed.collect(), clock, ids }
    }

    /// A root in the form that X-Ray gives.
    fn root(&self) -> String {
        let id = self.ids.fresh();
        format!("1-{:08x}-{}", self.clock.now().timestamp(), id.get(..24).unwrap_or(&id))
    }
}

impl Invoker for LoopDetection {
    fn invoke<'a>(&'a self, function: &'a str, event: Event) -> BoxFuture<'a, Result<String, InvokeFailure>> {
        async move {
            if event.trace.invocations_of(function) >= LONGEST_CHAIN && !self.allowed.contains(function) {
                let failure = InvokeFailure::Recursive;
                tracing::error!(function, "{function}: {failure}");
                return Err(failure);
            }
            let trace = event.trace.with_invocation_of(function, || self.root());
            self.functions.invoke(function, Event { trace, ..event }).await
        }
        .boxed()
    }
}
