//! Sends the events that wait in the outbox to the server of channels, those of a channel in their order.
//!
//! A record says only which channel has events: all that wait there are read, sent, and taken out when the server has them. What
//! was sent and could not be taken out is sent again under the same id, and whoever knows the id drops it.

mod publisher;
mod server;

use std::sync::Arc;

use runtime::context::FunctionContext;
use runtime::function::{Function, Invoke, StartError};
use runtime::{messaging, pusher};
use store::Outbox;

pub use publisher::{Publisher, Refused, Server};
use server::{Http, Nowhere};

/// The function.
pub const FUNCTION: Function = Function { name: "realtime-publisher", start };

fn start(boot: &FunctionContext) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (outbox, failures) = (reader.required("OUTBOX_TABLE"), reader.required("FAILURES_QUEUE_URL"));
    let (keys, origin) = (pusher::keys(&mut reader, boot), pusher::origin(&mut reader));
    let server: Box<dyn Server> = match (keys, origin) {
        (Some(keys), Some(origin)) => match Http::new(&origin, keys, Arc::clone(&boot.clock)) {
            Ok(server) => Box::new(server),
            Err(problem) => {
                reader.reject(format!("PUSHER_HOST {problem}"));
                Box::new(Nowhere)
            }
        },
        (Some(_), None) => {
            reader.reject("PUSHER_HOST or PUSHER_CLUSTER is missing");
            Box::new(Nowhere)
        }
        (None, _) => {
            tracing::warn!("live updates are off: there are no PUSHER_APP_ID, PUSHER_KEY and PUSHER_SECRET_ARN");
            Box::new(Nowhere)
        }
    };
    reader.finish(())?;
    let failures = messaging::sqs(boot.sqs(), failures);
    let outbox = Outbox::new(boot.dynamodb(), outbox);
    let publisher = Publisher::new(outbox, server, Arc::clone(&failures), Arc::clone(&boot.clock));
    Ok(runtime::batch::function(FUNCTION.name, boot, failures, publisher))
}
