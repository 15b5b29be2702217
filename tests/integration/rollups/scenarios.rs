//! Single scenarios.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use domain::counters::TrackCounters;
use domain::distinct::Distinct;
use domain::rollup::Rollup;
use domain::time::Time;
use domain::time_span::TimeSpan;
use store::RollupTask;

use super::check::{self, Checked, scope};
use super::model::{Model, Sent, What, Whose};
use super::world::{Death, World};
use crate::support::stage::{Item, paused};

const ALL: Checked = Checked { tracks: 2, artists: true, their_uniques: true, uniques: true, marks: true };

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn play(track: usize, time: &str, name: &str) -> Sent {
    Sent {
        id: format!("e{name}"),
        track,
        at: at(time),
        session: format!("s{name}"),
        anonymous: None,
        user: Some(format!("u{name}")),
        country: Some("DE"),
        what: What::Play { source: "search", play_id: None, duration: Some(30), completion: Some(50), flags: 0 },
    }
}

/// A world with its model.
struct Story {
    world: World,
    model: Model,
    delivered: usize,
}

impl Story {
    fn new(begin: &str) -> Self {
        Self { world: World::new("UTC", at(begin)), model: Model::default(), delivered: 0 }
    }

    async fn happen(&mut self, events: Vec<Sent>) {
        self.world.send(&mut self.model, events).await;
        let records = self.world.records();
        assert!(self.world.deliver(&records[self.delivered..], None, None).await);
        self.delivered = records.len();
    }

    fn go_to(&self, time: &str) {
        self.world.advance(at(time) - self.world.now());
    }

    async fn is_read_right(&self) {
        self.is_read_right_often(30).await;
    }

    async fn is_read_right_often(&self, times: u64) {
        for seed in 0..times {
            check::reads(&self.world, &self.model, ALL, seed).await.unwrap();
        }
    }

    async fn is_right(&self) {
        self.is_read_right().await;
        check::items(&self.world, &self.model, ALL).await.unwrap();
    }
}

fn is_late(work: &RollupTask) -> bool {
    matches!(work, RollupTask::CloseLate { .. })
}

#[test]
fn backfilled_only_facts_are_counted() {
    paused(async {
        let mut story = Story::new("2026-11-20T10:00:00Z");
        story.world.describe(&mut story.model, 0, 0).await;
        story.happen(vec![play(0, "2025-03-04T05:06:07Z", "a")]).await;
        story.is_read_right().await;
        story.world.settle().await;
        story.is_right().await;
    });
}

/// Tracks that have changed hands are part of the numbers of two artists until they have moved: a transaction of all of
/// them would be larger than DynamoDB takes.
#[test]
fn closes_period_when_every_track_changes_artist() {
    paused(async {
        let mut story = Story::new("2026-11-20T22:50:00Z");
        let plays = |name: &'static str| {
            (0..7).map(move |track| play(track, "2025-03-04T05:06:07Z", &format!("{name}{track}"))).collect()
        };
        for track in 0..7 {
            story.world.describe(&mut story.model, track, track).await;
        }
        story.happen(plays("a")).await;
        story.world.settle().await;
        for track in 0..7 {
            story.world.describe(&mut story.model, track, 100 + track).await;
        }
        story.happen(plays("b")).await;
        let due = story.world.due(None).await;
        assert!(due.iter().any(is_late), "{due:?}");
        for work in due.iter().filter(|work| is_late(work)).chain(due.iter().filter(|work| !is_late(work))) {
            story.world.work(work, None).await;
        }
        story.world.settle().await;
        story.is_right().await;
    });
}

/// A message of a queue may come twice, and the second time when its hour has long been part of a day.
#[test]
fn closing_hour_twice_hides_no_late_fact() {
    paused(async {
        let mut story = Story::new("2026-11-20T22:50:00Z");
        story.world.describe(&mut story.model, 0, 0).await;
        story.happen(vec![play(0, "2026-11-20T22:45:00Z", "a")]).await;
        story.go_to("2026-11-21T00:10:00Z");
        let again = story.world.due(None).await;
        for work in &again {
            story.world.work(work, None).await;
        }
        story.world.settle().await;
        story.is_right().await;
        story.happen(vec![play(0, "2026-11-20T22:46:00Z", "b")]).await;
        story.is_read_right().await;
        for work in again.iter().filter(|work| !is_late(work)) {
            story.world.work(work, None).await;
        }
        story.is_read_right().await;
        story.world.settle().await;
        story.is_right().await;
    });
}

#[test]
fn departing_track_leaves_other_contributions() {
    paused(async {
        let mut story = Story::new("2026-11-20T23:30:00Z");
        story.world.describe(&mut story.model, 0, 0).await;
        story.world.describe(&mut story.model, 1, 0).await;
        story.world.settle().await;
        story.happen(vec![play(0, "2026-11-20T23:20:00Z", "a")]).await;
        story.go_to("2026-11-21T00:10:00Z");
        story.happen(vec![play(0, "2026-11-20T22:01:00Z", "b"), play(1, "2026-11-20T22:02:00Z", "c")]).await;
        // The day is closed for both by the hour that came late; then one of them leaves, before it is closed for good.
        for work in story.world.due(None).await.iter().filter(|work| is_late(work)) {
            story.world.work(work, None).await;
        }
        story.world.describe(&mut story.model, 0, 1).await;
        story.go_to("2026-11-21T01:10:00Z");
        for _ in 0..4 {
            for work in story.world.due(None).await.iter().filter(|work| !matches!(work, RollupTask::MoveTrack { .. }))
            {
                story.world.work(work, None).await;
            }
        }
        story.world.settle().await;
        story.is_right().await;
    });
}

#[test]
fn open_hour_before_closed_one_is_read() {
    paused(async {
        let mut story = Story::new("2026-11-20T10:30:00Z");
        story.world.describe(&mut story.model, 0, 0).await;
        story.happen(vec![play(0, "2026-11-20T10:25:00Z", "a")]).await;
        story.go_to("2026-11-20T12:40:00Z");
        story.happen(vec![play(0, "2026-11-20T11:15:00Z", "b")]).await;
        for work in story.world.due(None).await.iter().filter(|work| is_late(work)) {
            story.world.work(work, None).await;
        }
        story.is_read_right().await;
    });
}

#[test]
fn late_description_or_transfer_counts_immediately_and_completely() {
    paused(async {
        let mut story = Story::new("2026-11-20T10:00:00Z");
        story.world.describe(&mut story.model, 1, 1).await;
        story.happen(vec![play(0, "2025-03-04T05:06:07Z", "a"), play(0, "2026-11-18T05:06:07Z", "b")]).await;
        story.happen(vec![play(1, "2026-11-18T05:06:07Z", "c"), play(1, "2026-11-19T07:06:07Z", "d")]).await;
        story.world.settle().await;
        for (track, artist) in [(0, 0), (0, 1), (1, 0)] {
            story.world.describe(&mut story.model, track, artist).await;
            story.is_read_right().await;
            // Work that was begun and not ended leaves the numbers as they are.
            for call in [3, 6, 9] {
                for work in story.world.due(None).await {
                    story.world.work(&work, Some(Death { call, after: true })).await;
                    story.is_read_right_often(6).await;
                }
            }
            story.world.settle().await;
            story.is_right().await;
        }
    });
}

/// Many late hours do not slow down an answer without limit: the ones that are not corrected are left out, and `asOf`
/// shows it.
#[test]
fn too_many_late_hours_move_as_of_back() {
    const HOURS: u32 = 1_040;
    paused(async {
        let mut story = Story::new("2026-11-20T10:00:00Z");
        for track in 0..2 {
            story.world.describe(&mut story.model, track, track).await;
        }
        story.happen(vec![play(1, "2026-11-18T05:06:07Z", "other")]).await;
        story.world.settle().await;
        let before = story.world.time();
        story.world.advance(TimeDelta::seconds(10));
        let late = |hour: u32| {
            let at = at("2025-01-01T00:30:00Z") + TimeDelta::hours(hour.into());
            Sent { at, user: Some("boss".to_owned()), ..play(0, "2025-01-01T00:30:00Z", &hour.to_string()) }
        };
        let late: Vec<Sent> = (0..HOURS).map(late).collect();
        for late in late.chunks(500) {
            story.world.send(&mut story.model, late.to_vec()).await;
        }
        let records = story.world.records();
        for records in records[story.delivered..].chunks(300) {
            assert!(story.world.deliver(records, None, None).await);
        }
        story.world.advance(TimeDelta::seconds(10));
        let from = Time::from(at("2024-01-01T00:00:00Z"));
        let span = TimeSpan { from, to: story.world.time() }.rounded(&story.world.calendar, story.world.time());
        let until = || tokio::time::Instant::now() + std::time::Duration::from_secs(20);
        let reading = story.world.reading();
        for whose in [Whose::Platform, Whose::Track(0), Whose::Artist(0)] {
            let read = reading.read(&scope(whose), &[span], until()).await.unwrap();
            let plays = read.cells[0].counters.plays;
            assert!((900..1_030).contains(&plays), "{whose:?}: {plays}");
            assert!(before < read.as_of && read.as_of <= story.world.time().plus(-TimeDelta::seconds(10)), "{whose:?}");
        }
        let (total, as_of) = reading.total(&"t0".parse().unwrap(), until()).await.unwrap().unwrap();
        assert!(total.plays < 1_030 && as_of <= story.world.time().plus(-TimeDelta::seconds(10)), "{total:?} {as_of}");
        // Another's numbers are right up to now.
        for whose in [Whose::Track(1), Whose::Artist(1)] {
            let read = reading.read(&scope(whose), &[span], until()).await.unwrap();
            assert_eq!((read.cells[0].counters.plays, read.as_of), (1, story.world.time()), "{whose:?}");
        }
        // When some are closed, the others are put right, and all of it is.
        for work in story.world.due(None).await.iter().take(45) {
            story.world.work(work, None).await;
        }
        for whose in [Whose::Platform, Whose::Track(0), Whose::Artist(0)] {
            let read = reading.read(&scope(whose), &[span], until()).await.unwrap();
            let expected = u64::from(HOURS) + u64::from(whose == Whose::Platform);
            assert_eq!((read.cells[0].counters.plays, read.as_of), (expected, story.world.time()), "{whose:?}");
        }
        assert_eq!(reading.total(&"t0".parse().unwrap(), until()).await.unwrap().unwrap().0.plays, u64::from(HOURS));
    });
}

/// The versions of all numbers that are not of these entities.
async fn versions(world: &World, but: &[&str]) -> Vec<(String, String, Option<String>)> {
    let version = |item: &Item| item.get("version").and_then(|version| version.as_s().ok()).cloned();
    let all = world.stats().await.into_iter();
    let numbers = all.filter(|((pk, _), _)| ["TRACK#", "ARTIST#", "PLATFORM"].iter().any(|kind| pk.starts_with(kind)));
    let others = numbers.filter(|((pk, _), _)| !but.contains(&pk.as_str()));
    others.map(|((pk, sk), item)| (pk, sk, version(&item))).collect()
}

#[test]
fn late_event_of_closed_year_writes_only_its_own_rollups() {
    paused(async {
        let mut story = Story::new("2026-12-30T20:00:00Z");
        story.world.describe(&mut story.model, 0, 0).await;
        story.world.describe(&mut story.model, 1, 1).await;
        let both = |time: &str, name: &str| [0, 1].map(|track| play(track, time, &format!("{name}{track}"))).to_vec();
        story.happen(both("2026-12-30T19:59:00Z", "a")).await;
        story.go_to("2027-01-04T01:30:00Z");
        story.happen(both("2027-01-04T01:20:00Z", "b")).await;
        story.world.settle().await;
        story.go_to("2027-01-04T03:10:00Z");
        story.world.settle().await;
        story.is_right().await;

        let before = versions(&story.world, &["TRACK#t0", "ARTIST#a0", "PLATFORM"]).await;
        assert!(before.len() > 10, "{before:?}");
        story.happen(vec![play(0, "2026-12-29T18:17:16Z", "late")]).await;
        let due = story.world.due(None).await;
        assert!(due.len() == 1 && is_late(&due[0]), "{due:?}");
        story.world.work(&due[0], None).await;
        assert_eq!(versions(&story.world, &["TRACK#t0", "ARTIST#a0", "PLATFORM"]).await, before);
        // All of it: the items of the hour, day, week, month and year, and the total.
        story.is_right().await;
        let total = &story.world.stats().await[&("TRACK#t0".to_owned(), "T".to_owned())];
        let total: TrackCounters = serde_dynamo::from_attribute_value(total["value"].clone()).unwrap();
        assert_eq!(total.plays, 2, "the open day is not in it");
    });
}

/// Twenty thousand sessions, some of them in several hours and on several tracks.
#[test]
fn unique_estimate_is_within_three_standard_errors() {
    const SESSIONS: usize = 20_000;
    paused(async {
        let mut story = Story::new("2026-11-20T09:59:00Z");
        story.world.describe(&mut story.model, 0, 0).await;
        story.world.describe(&mut story.model, 1, 0).await;
        let sent = |number: usize| {
            let (track, session) = (number % 2, number * 10 / 11);
            let minute = number / 100 % 60;
            let time = format!("2026-11-20T{:02}:{minute:02}:00.{:03}Z", 4 + number / 100 / 60 % 5, number % 1000);
            let mut play = play(track, &time, &number.to_string());
            (play.session, play.user, play.anonymous) =
                (format!("s{session}"), None, Some(format!("d{}", session / 2)));
            play
        };
        let all: Vec<Sent> = (0..SESSIONS * 11 / 10).map(sent).collect();
        for batch in all.chunks(1000) {
            story.world.send(&mut story.model, batch.to_vec()).await;
        }
        let records = story.world.records();
        for batch in records.chunks(1000) {
            assert!(story.world.deliver(batch, None, None).await);
        }
        let day = TimeSpan { from: Time::from(at("2026-11-20T00:00:00Z")), to: Time::from(at("2026-11-21T00:00:00Z")) };
        let month =
            TimeSpan { from: Time::from(at("2026-11-01T00:00:00Z")), to: Time::from(at("2026-12-01T00:00:00Z")) };
        let all = TimeSpan { from: Time::from(at("2026-11-20T04:00:00Z")), to: Time::from(at("2026-12-02T00:00:00Z")) };
        for round in ["live", "closed"] {
            for whose in [Whose::Track(0), Whose::Track(1), Whose::Artist(0), Whose::Platform] {
                for span in [day, month, all] {
                    let expected = story.model.numbers(whose, DateTime::UNIX_EPOCH, DateTime::<Utc>::MAX_UTC);
                    let rollup = check::read_one(&story.world, &scope(whose), span).await;
                    is_near(&format!("{round} {whose:?}"), &rollup, expected["sessions"], expected["listeners"]);
                    assert_eq!(rollup.counters.plays, expected["plays"], "{round} {whose:?}");
                }
            }
            story.go_to("2026-12-01T02:30:00Z");
            story.world.settle().await;
        }
        let keys: BTreeSet<String> =
            story.world.stats().await.into_keys().map(|(pk, sk)| format!("{pk} {sk}")).collect();
        assert!(keys.contains("ARTIST#a0 M#2026-11"), "{keys:?}");
        assert!(story.world.now() - at("2026-12-01T02:30:00Z") < TimeDelta::hours(1));
    });
}

#[allow(clippy::cast_precision_loss, reason = "counts are small")]
fn is_near(what: &str, rollup: &Rollup, sessions: u64, listeners: u64) {
    for (counted, expected) in [(&rollup.counters.sessions, sessions), (&rollup.counters.listeners, listeners)] {
        assert!(expected > 10 * Distinct::EXACT && !counted.is_exact(), "{what}");
        let off = (counted.count() as f64 / expected as f64 - 1.0).abs();
        assert!(off < 3.0 * Distinct::STANDARD_ERROR, "{what}: {} for {expected}", counted.count());
    }
}
