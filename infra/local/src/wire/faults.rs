//! Faults: what can go wrong between a function and a service, on demand.

use futures::FutureExt;
use futures::future::BoxFuture;

/// A call that a function makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Who calls.
    pub function: String,
    /// The service called.
    pub service: Service,
    /// The operation, like `PutItem`.
    pub operation: String,
    /// The request's JSON.
    pub body: String,
}

/// The services of the local cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// DynamoDB.
    DynamoDb,
    /// DynamoDB Streams.
    DynamoDbStreams,
    /// SQS.
    Sqs,
    /// Secrets Manager.
    SecretsManager,
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing: it is carried out and answered.
    #[default]
    None,
    /// The connection breaks before the call is carried out.
    DropBefore,
    /// The call is carried out, but the connection breaks before the answer arrives.
    DropAfter,
    /// The call times out and was never carried out.
    TimeoutBefore,
    /// The call times out although it was carried out.
    TimeoutAfter,
    /// The call is throttled and not carried out.
    Throttle,
    /// A 500 answers, and the call is not carried out.
    ServerError,
    /// A 500 answers, although the call was carried out.
    ServerErrorAfter,
    /// Another transaction holds an item: the call is refused and not carried out.
    TransactionConflict,
    /// Of a batch, the requests whose bit is set are handed back unprocessed, the rest is carried out.
    /// Requests are counted over the tables in the order of their names, messages in their own order; bit `n % 64` is that of request `n`.
    /// Calls without a batch are carried out.
    Unprocessed(u64),
    /// The caller never hears back, and the call is not carried out: its sandbox dies before it.
    CrashBefore,
    /// The caller never hears back, although the call was carried out: its sandbox dies after it.
    CrashAfter,
}

impl Fault {
    /// Whether the service carries out the call, or a part of it.
    #[must_use]
    pub fn is_carried_out(self) -> bool {
        matches!(
            self,
            Self::None
                | Self::DropAfter
                | Self::TimeoutAfter
                | Self::ServerErrorAfter
                | Self::Unprocessed(_)
                | Self::CrashAfter
        )
    }
}

/// Decides on every call, and may hold it up: what a test steers a function with.
pub trait Faults: Send + Sync {
    /// Asked before the call reaches the service. The call waits for the answer, so a scheduler that
    /// interleaves functions holds it here; a function that is to die here is given a future that never ends.
    fn before<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Fault>;

    /// Asked when the call was carried out, before the function hears of it.
    fn after<'a>(&'a self, _call: &'a Call) -> BoxFuture<'a, ()> {
        futures::future::ready(()).boxed()
    }
}

/// A plain function of the call, for faults that need no scheduler.
impl<F> Faults for F
where
    F: Fn(&Call) -> Fault + Send + Sync,
{
    fn before<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Fault> {
        futures::future::ready(self(call)).boxed()
    }
}
