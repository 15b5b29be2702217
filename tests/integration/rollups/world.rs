//! The tables, a movable clock, and the functions that work on them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::calendar::Calendar;
use domain::time::Time;
use local::dynamodb::StreamRecord;
use local::wire::{Fault, Faults};
use runtime::context::FunctionContext;
use runtime::function::Invoke;
use serde_json::{Value, json};
use store::{Dispatcher, PeriodCloser, RollupReader, RollupTask};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::model::{LENGTH_S, Model, Sent};
use crate::support::stage::{Item, Stage, http, invoke, person, start};

/// The stage, and the time zone of all its days.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) stage: Stage,
    pub(crate) calendar: Calendar,
    /// What the calls of readers pass through, and the name of their sandbox.
    reader: Option<(String, Arc<dyn Faults>)>,
}

/// The call at which a sandbox dies, and whether that call is carried out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death {
    pub(crate) call: u64,
    pub(crate) after: bool,
}

/// Lets a sandbox die at one of its calls.
#[derive(Default)]
struct Dying {
    calls: AtomicU64,
    dead: Notify,
}

impl Dying {
    fn faults(self: &Arc<Self>, death: Option<Death>) -> Option<Arc<dyn Faults>> {
        let death = death?;
        let dying = Arc::clone(self);
        Some(Arc::new(move |_: &local::wire::Call| {
            if dying.calls.fetch_add(1, Ordering::Relaxed) != death.call {
                return Fault::None;
            }
            dying.dead.notify_one();
            if death.after { Fault::CrashAfter } else { Fault::CrashBefore }
        }))
    }
}

impl World {
    pub(crate) fn new(zone: &str, begin: DateTime<Utc>) -> Self {
        Self { stage: Stage::new(begin), calendar: zone.parse().unwrap(), reader: None }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.stage.now()
    }

    pub(crate) fn time(&self) -> Time {
        Time::from(self.now())
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        self.stage.advance(by);
    }

    /// What surrounds one sandbox.
    pub(crate) fn boot(&self, function: &str, faults: Option<Arc<dyn Faults>>) -> FunctionContext {
        self.stage.boot(function, faults, &self.calendar.to_string())
    }

    pub(crate) fn dispatch(&self, boot: &FunctionContext) -> Dispatcher {
        boot.open(|setup| Dispatcher::open(setup)).unwrap()
    }

    pub(crate) fn closing(&self, boot: &FunctionContext) -> PeriodCloser {
        boot.open(|setup| PeriodCloser::open(setup)).unwrap()
    }

    /// The same world, seen by a reader whose calls pass through these faults.
    pub(crate) fn seen_by(&self, name: &str, faults: Arc<dyn Faults>) -> Self {
        Self { reader: Some((name.to_owned(), faults)), ..self.clone() }
    }

    /// What surrounds a reader.
    pub(crate) fn reader(&self) -> FunctionContext {
        match &self.reader {
            Some((name, faults)) => self.boot(name, Some(Arc::clone(faults))),
            None => self.boot("reader", None),
        }
    }

    pub(crate) fn reading(&self) -> RollupReader {
        self.reader().open(|setup| RollupReader::open(setup)).unwrap()
    }

    /// Everything in the table of numbers.
    pub(crate) async fn stats(&self) -> BTreeMap<(String, String), Item> {
        self.stage.items("Stats").await
    }

    /// Sends events, in one request for each sender; rejected events are not accepted.
    pub(crate) async fn send(&self, model: &mut Model, events: Vec<Sent>) {
        let mut rest = events.as_slice();
        while let Some(first) = rest.first() {
            // Known users are imported by an admin, who may send old events; the others send for themselves.
            let is_import = first.user.is_some();
            let alike = rest
                .iter()
                .take_while(|sent| sent.user.is_some() == is_import && (is_import || sent.country == first.country));
            let (batch, others) = rest.split_at(alike.count());
            rest = others;
            let body: Vec<Value> = batch.iter().map(Sent::json).collect();
            let (caller, country) =
                if is_import { (admin("boss"), None) } else { (json!({"caller": "anonymous"}), first.country) };
            let request = http("POST /api/stats/events", &caller, &json!({}), country, &json!(body));
            let answer = invoke(&*start(&self.boot("ingest", None), ingest_events::FUNCTION), &request).await.unwrap();
            assert_eq!(answer["statusCode"], 200, "{answer}");
            let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
            let refused: Vec<u64> =
                body["rejected"].as_array().unwrap().iter().map(|one| one["index"].as_u64().unwrap()).collect();
            let taken = batch.iter().enumerate().filter(|(at, _)| !refused.contains(&(*at as u64)));
            let mut taken: Vec<Sent> = taken.map(|(_, sent)| sent.clone()).collect();
            // Words on toggles that come together are heard in the order of their times.
            taken.sort_by(|a, b| (a.at, &a.id, b.actors()).cmp(&(b.at, &b.id, a.actors())));
            taken.into_iter().for_each(|sent| model.accept(sent, self.now()));
        }
    }

    /// Sets the artist of a track.
    pub(crate) async fn describe(&self, model: &mut Model, track: usize, artist: usize) {
        let body = json!({"title": "Song", "artistId": format!("a{artist}"), "durationSeconds": LENGTH_S});
        let path = json!({"trackId": format!("t{track}")});
        let request = http("PUT /api/tracks/{trackId}", &admin("boss"), &path, None, &body);
        let answer = invoke(&*start(&self.boot("put", None), put_track::FUNCTION), &request).await.unwrap();
        assert!(answer["statusCode"].as_u64().unwrap() < 300, "{answer}");
        model.artists.insert(track, artist);
    }

    /// Erases a fact, as a person's right to be forgotten would.
    pub(crate) fn erase(&self, sent: &Sent) {
        let time = sent.time();
        let (hour, rest) = time.split_at(13);
        let key = json!({
            "pk": {"S": format!("TRACK#t{}#{hour}", sent.track)},
            "sk": {"S": format!("{}#{}#{}#{}", &rest[1..rest.len() - 1], sent.kind(), sent.id, sent.actors()[0].1)},
        });
        let request = json!({"TableName": "Events", "Key": key, "ReturnValues": "ALL_OLD"});
        assert!(self.stage.call("DeleteItem", &request)["Attributes"].is_object(), "nothing was erased: {request}");
    }

    pub(crate) fn records(&self) -> Vec<StreamRecord> {
        self.stage.records("Events")
    }

    pub(crate) fn payload(&self, records: &[StreamRecord]) -> Value {
        self.stage.payload("Events", records)
    }

    /// Delivers records; whether all of them were done.
    pub(crate) async fn deliver(
        &self,
        records: &[StreamRecord],
        warm: Option<&dyn Invoke>,
        death: Option<Death>,
    ) -> bool {
        let dying = Arc::new(Dying::default());
        let fresh = start(&self.boot("updater", dying.faults(death)), counter_updater::FUNCTION);
        let updater = warm.filter(|_| death.is_none()).unwrap_or(&*fresh);
        let payload = self.payload(records);
        tokio::select! {
            answer = invoke(updater, &payload) => answer.unwrap()["batchItemFailures"].as_array().unwrap().is_empty(),
            () = dying.dead.notified() => false,
        }
    }

    /// Does a piece of work, as a message brings it; whether it was done.
    pub(crate) async fn work(&self, work: &RollupTask, death: Option<Death>) -> bool {
        let message = serde_json::to_string(work).unwrap();
        let work: RollupTask = serde_json::from_str(&message).unwrap();
        let dying = Arc::new(Dying::default());
        let closing = self.closing(&self.boot("worker", dying.faults(death)));
        tokio::select! {
            done = closing.run(&work, Instant::now() + Duration::from_secs(30)) => { done.unwrap(); true }
            () = dying.dead.notified() => false,
        }
    }

    /// The work that is due, marked as sent unless the dispatcher crashes first.
    pub(crate) async fn due(&self, death: Option<Death>) -> Vec<RollupTask> {
        let dying = Arc::new(Dying::default());
        let dispatch = self.dispatch(&self.boot("dispatcher", dying.faults(death)));
        let mut sent = Vec::new();
        let run = async {
            for work in dispatch.due_tasks().await.unwrap() {
                sent.push(work.clone());
                dispatch.record_sent(&work).await.unwrap();
            }
        };
        tokio::select! {
            () = run => {}
            () = dying.dead.notified() => {}
        }
        sent
    }

    /// Dispatches and works until nothing is due.
    pub(crate) async fn settle(&self) {
        for round in 0.. {
            assert!(round < 50, "it never ends");
            let due = self.due(None).await;
            if due.is_empty() {
                return;
            }
            for work in &due {
                self.work(work, None).await;
            }
        }
    }
}

pub(crate) fn admin(user: &str) -> Value {
    person(user, "admin")
}
