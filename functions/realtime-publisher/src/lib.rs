//! Sends the events that wait in the outbox to the server of channels, those of a channel in their order.
//!
//! A record says only which channel has events: all that wait there are read, sent, and taken out when the server has them. What
//! was sent and could not be taken out is sent again under the same id, and clients drop an id that they know.

mod publisher;
mod server;

use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use store::Outbox;

pub use publisher::{PublishError, Publisher, Server};

/// The function.
pub const FUNCTION: Function = Function { name: "realtime-publisher", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::batch::start_stream(context, FUNCTION, |setup| {
        let (outbox, server) = (Outbox::open(setup), server::open(setup));
        Publisher::new(outbox, server, setup.queue("FAILURES_QUEUE_URL"), setup.clock())
    })
}
