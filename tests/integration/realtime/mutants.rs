//! Publishers that break one rule each; the same kind of plans finds them out.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::live::Channel;
use domain::time::Time;
use futures::future::BoxFuture;
use realtime_publisher::{PublishError, Server};
use runtime::batch::{BatchHandler, EventRecord, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::Invoke;
use runtime::messaging::Queue;
use serde_json::json;
use store::{Budget, Outbox, PendingEvent};
use system::clock::Clock;
use tokio::time::Instant;

use super::driver::run;
use super::faulty_server::{Channels, Failures};
use super::plan::{Publishers, worst};

/// Which rule is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    /// None: what finds the others out lets this one pass.
    Sound,
    /// What comes behind an event that could not be sent is sent.
    GoesOn,
    /// Events are taken out before they are sent.
    TakesOutFirst,
    /// Removes events that the server did not acknowledge.
    BelievesAnything,
    /// Removes oversized events without setting them aside.
    Forgets,
    /// Reports no event that is set aside.
    SaysNothing,
}

struct Publisher {
    mutant: Mutant,
    outbox: Outbox,
    channels: Channels,
    failures: Failures,
    clock: Arc<dyn Clock>,
}

impl Publisher {
    /// Sends what waits on a channel, one by one; whether all of it is gone.
    async fn publish(&self, channel: &Channel, deadline: Instant) -> Option<()> {
        let mut is_whole = true;
        loop {
            let (waiting, is_all) = self.outbox.pending(channel).await.ok()?;
            for event in &waiting {
                let is_gone = self.send(std::slice::from_ref(event), deadline).await.is_some();
                is_whole &= is_gone;
                if !is_gone && self.mutant != Mutant::GoesOn {
                    return None;
                }
            }
            if is_all || !is_whole {
                return is_whole.then_some(());
            }
        }
    }

    async fn send(&self, event: &[PendingEvent], deadline: Instant) -> Option<()> {
        if self.mutant == Mutant::TakesOutFirst {
            self.outbox.remove(event, deadline).await.ok()?;
        }
        match self.channels.send(event).await {
            Err(PublishError::Unavailable(_)) if self.mutant != Mutant::BelievesAnything => None,
            Err(PublishError::Rejected(reason)) if self.mutant != Mutant::Forgets => {
                if self.mutant != Mutant::SaysNothing {
                    let report = json!({"record": event[0].stream_record(), "reason": reason}).to_string();
                    self.failures.send(report).await.ok()?;
                }
                let now = Time::from(self.clock.now());
                self.outbox.set_aside(&event[0], &reason, now).await.ok()
            }
            _ => self.outbox.remove(event, deadline).await.ok(),
        }
    }
}

impl BatchHandler for Publisher {
    fn handle<'a>(
        &'a self,
        records: &'a [EventRecord],
        _: Budget,
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<RecordOutcome>> {
        Box::pin(async move {
            let of = |record: &EventRecord| runtime::stream::channel(record).unwrap();
            let mut held = BTreeSet::new();
            for channel in records.iter().filter_map(of).collect::<BTreeSet<Channel>>() {
                if self.publish(&channel, deadline).await.is_none() {
                    held.insert(channel);
                }
            }
            let is_held = |record| of(record).is_some_and(|channel| held.contains(&channel));
            let settled = |record| if is_held(record) { RecordOutcome::Retry } else { RecordOutcome::Done };
            records.iter().map(settled).collect()
        })
    }
}

/// A warm sandbox of a publisher that breaks a rule.
pub(super) fn publisher(
    mutant: Mutant,
    boot: &FunctionContext,
    channels: &Channels,
    failures: &Failures,
) -> Box<dyn Invoke> {
    let outbox = boot.open(|setup| Outbox::open(setup)).unwrap();
    let (channels, failures) = (channels.clone(), failures.clone());
    let handler = Publisher { mutant, outbox, channels, failures: failures.clone(), clock: Arc::clone(&boot.clock) };
    runtime::batch::function("realtime-publisher", boot, Arc::new(failures), handler)
}

/// The first error of a mutant in this many plans.
fn verdict(mutant: Mutant, plans: u64) -> Option<String> {
    (0..plans).find_map(|seed| run(&worst(seed), Publishers::Mutant(mutant)).err())
}

#[test]
fn accepts_mutant_that_breaks_no_rule() {
    assert_eq!(verdict(Mutant::Sound, 6), None);
}

#[test]
fn detects_every_mutant_that_breaks_a_rule() {
    for (mutant, said) in [
        (Mutant::GoesOn, "was told after"),
        (Mutant::TakesOutFirst, "taken false, put aside false"),
        (Mutant::BelievesAnything, "taken false, put aside false"),
        (Mutant::Forgets, "taken false, put aside false"),
        (Mutant::SaysNothing, "nobody is told that"),
    ] {
        let verdict = verdict(mutant, 200);
        assert!(verdict.as_ref().is_some_and(|verdict| verdict.contains(said)), "{mutant:?}: {verdict:?}");
    }
}
