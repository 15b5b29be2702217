//! Runs a history, one step after the other.

use chrono::{DateTime, TimeDelta, Utc};
use domain::calendar::Level;
use domain::time::Time;
use runtime::function::Invoke;
use store::RollupTask;

use super::check::{self, Checked};
use super::model::{Model, Sent, What};
use super::plan::{At, BEGINNINGS, Event, Fate, Plan, Step, Until};
use super::world::{Death, World};
use crate::support::stage::{paused, start};

/// Rollups that are worked on at all are worked on at least this often: minutes are kept for 35 days, and marks of late hours for
/// 26.
const SETTLED_EVERY: TimeDelta = TimeDelta::days(24);

/// A fact older than this is not erased any more: its minute may be sealed.
const ERASED_WITHIN: TimeDelta = TimeDelta::days(80);

struct History<'a> {
    plan: &'a Plan,
    world: World,
    model: Model,
    random: fastrand::Rng,
    sent: Vec<Sent>,
    /// How many records of the stream were delivered.
    delivered: usize,
    warm: Vec<Box<dyn Invoke>>,
    queue: Vec<RollupTask>,
    /// Whether any message was lost since all was settled.
    lost: bool,
    settled: DateTime<Utc>,
    erased: bool,
    /// Whether something was erased since all was settled.
    forgetting: bool,
    /// Whether an updater has died over records that were delivered before.
    orphans: bool,
}

/// Runs a plan to its end.
pub(crate) fn run(plan: &Plan) -> Result<(), String> {
    // The SDK's own backoff draws from the thread's generator.
    fastrand::seed(plan.seed);
    paused(async {
        let (zone, begin) = BEGINNINGS[plan.beginning];
        let world = World::new(zone, begin.parse().unwrap());
        let warm = (0..2).map(|_| start(&world.boot("updater", None), counter_updater::FUNCTION)).collect();
        let mut history = History {
            plan,
            settled: world.now(),
            world,
            model: Model::default(),
            random: fastrand::Rng::with_seed(plan.seed),
            sent: Vec::new(),
            delivered: 0,
            warm,
            queue: Vec::new(),
            lost: false,
            erased: false,
            forgetting: false,
            orphans: false,
        };
        for (at, step) in plan.steps.iter().enumerate() {
            history
                .step(step)
                .await
                .map_err(|wrong| format!("step {at} {step:?} at {}: {wrong}", history.world.now()))?;
        }
        history.end().await.map_err(|wrong| format!("in the end, at {}: {wrong}", history.world.now()))
    })
}

impl History<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Send(events) => {
                let events: Vec<Sent> = events.iter().map(|event| self.event(event)).collect();
                self.sent.extend(events.iter().cloned());
                self.world.send(&mut self.model, events).await;
            }
            Step::SendAgain => {
                // Erased facts would come back, which is right but not the subject here.
                let known: Vec<Sent> = self.model.facts.values().map(|fact| fact.sent.clone()).collect();
                let again = known.into_iter().filter(|sent| !matches!(sent.what, What::Play { .. })).take(3);
                let again = again.collect();
                self.world.send(&mut self.model, again).await;
            }
            Step::Deliver { part, before, dies } => self.deliver(usize::from(*part), *before, *dies).await,
            Step::Dispatch { dies } => {
                let death = dies.then(|| self.death());
                let due = self.world.due(death).await;
                self.queue.extend(due);
            }
            Step::Work { messages, fate } => {
                for _ in 0..*messages {
                    self.work(*fate).await;
                }
            }
            Step::Clock(until) => self.advance(*until).await,
            Step::Describe { track, artist } => {
                self.world.describe(&mut self.model, track % self.plan.tracks, *artist).await;
            }
            Step::Erase => self.erase(),
            Step::Settle { sweep } => {
                self.settle().await;
                if *sweep {
                    self.world.stage.database.sweep_expired(self.world.time().seconds()).unwrap();
                    self.delivered = self.world.records().len();
                }
            }
            Step::Check => return self.check().await,
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(), String> {
        self.check().await?;
        let time = self.world.time();
        // Further than that it is only waited for in vain: nothing happens any more.
        let far = |level| self.world.calendar.period(level, time).end().since(time) > TimeDelta::days(40);
        let level = if far(self.plan.until) { Level::Month } else { self.plan.until };
        let end = self.world.calendar.period(level, time).end().plus(TimeDelta::minutes(70));
        self.advance_to(end.into()).await;
        self.settle().await;
        check::items(&self.world, &self.model, self.checked()).await?;
        self.check().await
    }

    fn checked(&self) -> Checked {
        Checked {
            tracks: self.plan.tracks,
            artists: true,
            their_uniques: !self.erased,
            uniques: !self.forgetting,
            marks: !self.orphans,
        }
    }

    async fn check(&mut self) -> Result<(), String> {
        self.deliver_all().await;
        let seed = self.random.u64(..);
        check::reads(&self.world, &self.model, self.checked(), seed).await
    }

    fn event(&mut self, event: &Event) -> Sent {
        let now = self.world.time();
        let calendar = &self.world.calendar;
        let at = match event.at {
            At::Near(seconds) => now.plus(TimeDelta::seconds(seconds)),
            At::Border { level, before, by_ms } => {
                let period = calendar.period(Level::ALL[level], now);
                let period = if before { calendar.previous(&period) } else { period };
                period.start().plus(TimeDelta::milliseconds(by_ms))
            }
            At::DaysAgo(days) => now.plus(-TimeDelta::days(days)),
        };
        let at: DateTime<Utc> = at.min(now.plus(TimeDelta::minutes(4))).into();
        let detail = event.detail;
        let is_old = self.world.now() - at > TimeDelta::days(6);
        let number = self.sent.len() + usize::try_from(self.random.u64(..1_000)).unwrap() * 1_000;
        let what = match event.kind {
            0..=5 => What::Play {
                source: ["landing", "search", "player"][detail as usize % 3],
                play_id: [None, Some(0), Some(1)][detail as usize / 3 % 3],
                duration: [None, Some(5), Some(19), Some(20), Some(70)][detail as usize / 9 % 5],
                completion: [None, None, Some(40), Some(100)][detail as usize / 45 % 4],
                flags: (detail / 180 % 4) as u8,
            },
            6 => What::Like(detail % 4 != 3),
            7 => What::Save(detail % 3 != 2),
            8 => What::Share(["twitter", "embed"][detail as usize % 2]),
            _ => What::Download,
        };
        Sent {
            id: format!("e{number}"),
            track: event.track % self.plan.tracks,
            at,
            session: format!("s{}", event.session),
            anonymous: (detail / 1000 % 3 == 2).then(|| format!("d{}", event.session / 2)),
            user: (is_old || detail / 3000 % 3 == 2).then(|| format!("u{}", event.session % 4)),
            country: [None, Some("DE"), Some("IN")][detail as usize / 9000 % 3],
            what,
        }
    }

    fn death(&mut self) -> Death {
        Death { call: self.random.u64(0..12), after: self.random.bool() }
    }

    async fn deliver(&mut self, part: usize, before: bool, dies: bool) {
        let records = self.world.records();
        let from = if before { self.random.usize(0..=self.delivered) } else { self.delivered };
        let to = (self.delivered + (records.len() - self.delivered).div_ceil(2) * part / 100).min(records.len());
        let to = if part > 80 { records.len() } else { to };
        if from >= to {
            return;
        }
        let death = dies.then(|| self.death());
        self.orphans |= dies && before;
        let warm = self.random.usize(0..3);
        let warm = self.warm.get(warm).map(|warm| &**warm);
        if self.world.deliver(&records[from..to], warm, death).await {
            self.delivered = to.max(self.delivered);
        }
    }

    async fn deliver_all(&mut self) {
        while self.delivered < self.world.records().len() {
            self.deliver(100, false, false).await;
        }
    }

    async fn work(&mut self, fate: Fate) {
        if self.queue.is_empty() {
            return;
        }
        let at = self.random.usize(0..self.queue.len());
        let work = self.queue[at].clone();
        let death = (fate == Fate::Dies).then(|| self.death());
        let done = fate != Fate::Lost && self.world.work(&work, death).await;
        if fate == Fate::Lost {
            self.lost = true;
        }
        if fate == Fate::Lost || (done && fate != Fate::Twice) {
            self.queue.swap_remove(at);
        }
    }

    /// Delivers, dispatches and works off everything; lost messages are sent again after half an hour.
    async fn settle(&mut self) {
        self.deliver_all().await;
        while !self.queue.is_empty() {
            self.work(Fate::Done).await;
        }
        if std::mem::take(&mut self.lost) {
            self.world.advance(TimeDelta::minutes(31));
        }
        self.world.settle().await;
        self.settled = self.world.now();
        self.forgetting = false;
    }

    async fn advance(&mut self, until: Until) {
        let (now, calendar) = (self.world.time(), &self.world.calendar);
        let end = match until {
            Until::Minutes(minutes) => now.plus(TimeDelta::minutes(minutes)),
            Until::HourEnd(minutes) => calendar.period(Level::Hour, now).end().plus(TimeDelta::minutes(minutes)),
            Until::DayEnd(minutes) => calendar.period(Level::Day, now).end().plus(TimeDelta::minutes(minutes)),
            Until::Days(days) => now.plus(TimeDelta::days(days)),
        };
        self.advance_to(end.into()).await;
    }

    async fn advance_to(&mut self, end: DateTime<Utc>) {
        // A stream keeps its records for a day.
        if end - self.world.now() > TimeDelta::hours(12) {
            self.deliver_all().await;
        }
        while end - self.settled > SETTLED_EVERY {
            self.settle().await;
            let step = (end - self.world.now()).min(TimeDelta::days(50));
            self.world.advance(step);
            if self.world.now() >= end {
                return;
            }
        }
        self.world.advance((end - self.world.now()).max(TimeDelta::zero()));
    }

    fn erase(&mut self) {
        let now = self.world.now();
        let day = |at: DateTime<Utc>| self.world.calendar.period(Level::Day, Time::from(at));
        let candidates = self.model.facts.iter().filter(|(_, fact)| {
            let neighbours = self.model.facts.values().filter(|other| day(other.sent.at) == day(fact.sent.at));
            let young = neighbours.map(|other| now - other.accepted).max() < Some(ERASED_WITHIN);
            young && !matches!(fact.sent.what, What::Like(_) | What::Save(_))
        });
        let candidates: Vec<_> = candidates.map(|(key, fact)| (key.clone(), fact.sent.clone())).collect();
        if candidates.is_empty() {
            return;
        }
        let (key, sent) = &candidates[self.random.usize(0..candidates.len())];
        self.world.erase(sent);
        self.model.facts.remove(key);
        (self.erased, self.forgetting) = (true, true);
    }
}
