//! A server of channels that cannot be relied upon, and a queue of failures that can.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use realtime_publisher::{PublishError, Publisher, Server};
use runtime::context::FunctionContext;
use runtime::function::Invoke;
use runtime::messaging::{Queue, SendError, Unsent};
use store::{Outbox, PendingEvent};
use tokio::time::{Instant, sleep};

/// What an event has in its data that the server never takes.
pub(super) const UNFIT: &str = "much too large";

/// Why it does not.
pub(super) const TOO_LARGE: &str = "413 Payload Too Large";

/// An event as the server took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) channel: String,
    pub(super) name: String,
    pub(super) data: String,
}

/// The events in the order they were taken, and the percentage of failures.
#[derive(Clone)]
pub(super) struct Channels {
    taken: Arc<Mutex<Vec<Taken>>>,
    random: Arc<Mutex<fastrand::Rng>>,
    faults: u8,
}

impl Channels {
    pub(super) fn new(seed: u64, faults: u8) -> Self {
        let random = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        Self { taken: Arc::default(), random, faults }
    }

    pub(super) fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }

    fn below(&self, end: u64) -> u64 {
        self.random.lock().unwrap().u64(0..end)
    }

    fn take(&self, events: &[PendingEvent]) {
        assert!((1..=10).contains(&events.len()), "{} events at once", events.len());
        assert!(!events.iter().any(|event| event.data.contains(UNFIT)), "what is unfit is never taken");
        self.taken.lock().unwrap().extend(events.iter().map(|PendingEvent { channel, name, data, .. }| Taken {
            channel: channel.clone(),
            name: name.clone(),
            data: data.clone(),
        }));
    }

    async fn answer(&self, events: &[PendingEvent]) -> Result<(), PublishError> {
        sleep(Duration::from_millis(self.below(4))).await;
        let unavailable = |reason: &str| Err(PublishError::Unavailable(reason.to_owned()));
        let is_unfit = events.iter().any(|event| event.data.contains(UNFIT));
        let what = if self.below(100) < self.faults.into() { self.below(6) } else { 6 };
        if is_unfit && what > 2 {
            return Err(PublishError::Rejected(TOO_LARGE.to_owned()));
        }
        match what {
            0 => return unavailable("429 Too Many Requests"),
            1 => return unavailable("500 Internal Server Error"),
            2 => {
                sleep(Duration::from_secs(3)).await;
                return unavailable("no answer in time");
            }
            // The sender has given up or crashed.
            3 => {
                let (late, events) = (self.clone(), events.to_vec());
                let when = Duration::from_millis(self.below(9_000));
                tokio::spawn(async move {
                    sleep(when).await;
                    late.take(&events);
                });
                sleep(Duration::from_secs(3)).await;
                return unavailable("no answer in time");
            }
            _ => self.take(events),
        }
        sleep(Duration::from_millis(self.below(4))).await;
        match what {
            4 => unavailable("the connection broke"),
            5 => {
                sleep(Duration::from_secs(3)).await;
                unavailable("no answer in time")
            }
            _ => Ok(()),
        }
    }
}

impl Server for Channels {
    fn send<'a>(&'a self, events: &'a [PendingEvent]) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(self.answer(events))
    }
}

/// The messages in the failure queue.
#[derive(Clone, Default)]
pub(super) struct Failures(Arc<Mutex<Vec<String>>>);

impl Failures {
    pub(super) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Queue for Failures {
    fn send(&self, body: String) -> BoxFuture<'_, Result<(), SendError>> {
        self.0.lock().unwrap().push(body);
        Box::pin(async { Ok(()) })
    }

    fn send_all<'a>(&'a self, bodies: &'a [String], _: Instant) -> BoxFuture<'a, Result<(), Unsent>> {
        self.0.lock().unwrap().extend_from_slice(bodies);
        Box::pin(async { Ok(()) })
    }
}

/// A warm sandbox of the publisher that sends to this server.
pub(super) fn publisher(boot: &FunctionContext, channels: &Channels, failures: &Failures) -> Box<dyn Invoke> {
    let outbox = boot.open(|setup| Outbox::open(setup)).unwrap();
    let failures = Arc::new(failures.clone());
    let publisher = Publisher::new(outbox, Box::new(channels.clone()), failures.clone(), Arc::clone(&boot.clock));
    runtime::batch::function("realtime-publisher", boot, failures, publisher)
}
