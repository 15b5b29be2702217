//! Small functions for the tests of this crate.

use std::marker::PhantomData;

use futures::FutureExt;
use futures::future::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, Invocation, InvocationError, Invoke, Start};

/// A handler without state.
pub(crate) trait Handle: Send + Sync + 'static {
    /// Handles one event.
    fn handle<'a>(payload: &'a str, invocation: &'a Invocation) -> BoxFuture<'a, Result<String, String>>;
}

/// A handler as a started function.
pub(crate) struct Started<H>(pub(crate) PhantomData<H>);

impl<H: Handle> Invoke for Started<H> {
    fn invoke<'a>(
        &'a self,
        payload: &'a str,
        invocation: &'a Invocation,
    ) -> BoxFuture<'a, Result<String, InvocationError>> {
        async move { H::handle(payload, invocation).await.map_err(|message| InvocationError { message }) }.boxed()
    }
}

/// The start of a function whose handler is this closure-like block.
macro_rules! start_of {
    (|$payload:ident, $invocation:ident| $body:expr) => {{
        struct Handler;
        impl $crate::testing::Handle for Handler {
            fn handle<'a>(
                $payload: &'a str,
                $invocation: &'a runtime::function::Invocation,
            ) -> futures::future::BoxFuture<'a, Result<String, String>> {
                Box::pin(async move { $body })
            }
        }
        |_: &runtime::context::FunctionContext| {
            Ok(Box::new($crate::testing::Started::<Handler>(std::marker::PhantomData)) as _)
        }
    }};
}
pub(crate) use start_of;

/// A function of this name.
pub(crate) fn function(name: &'static str, start: Start) -> Function {
    Function { name, start }
}

/// What surrounds a function that calls nothing.
pub(crate) fn boot<const N: usize>(environment: [(&str, &str); N]) -> FunctionContext {
    FunctionContext {
        environment: environment.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        aws: aws_config::SdkConfig::builder().build(),
        clock: system::clock::system(),
        ids: system::ids::random(),
        metrics: std::sync::Arc::new(runtime::obs::metrics::Nowhere),
    }
}

/// A subscriber that lives as long as the tests. Where there is only one subscriber, `tracing` asks the thread that first
/// reaches a log line whether it listens, and caches the answer for all threads: a capture on another thread would miss the line.
static SECOND_SUBSCRIBER: std::sync::LazyLock<tracing::Dispatch> =
    std::sync::LazyLock::new(|| tracing::Dispatch::new(tracing_subscriber::registry()));

/// The log lines of a test.
#[derive(Debug, Clone)]
pub(crate) struct Captured(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Captured {
    pub(crate) fn start() -> Self {
        std::sync::LazyLock::force(&SECOND_SUBSCRIBER);
        Self(std::sync::Arc::default())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}
