//! What happens, step by step.

use domain::calendar::Level;
use proptest::collection::vec;
use proptest::prelude::*;

/// Where and when a case begins: shortly before something turns.
pub(crate) const BEGINNINGS: [(&str, &str); 12] = [
    ("UTC", "2026-12-31T22:40:00Z"),
    ("UTC", "2028-02-28T22:30:00Z"),
    ("UTC", "2028-02-29T23:10:00Z"),
    ("UTC", "2027-01-03T22:50:00Z"),
    ("UTC", "2026-05-31T23:20:00Z"),
    ("America/New_York", "2026-03-08T04:10:00Z"),
    ("America/New_York", "2026-11-01T03:30:00Z"),
    ("America/New_York", "2027-01-01T04:20:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T12:40:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T13:10:00Z"),
    ("Asia/Kolkata", "2026-12-31T17:40:00Z"),
    ("Asia/Kolkata", "2028-02-29T18:00:00Z"),
];

/// A history, and the seed of all choices that the steps leave open.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) beginning: usize,
    pub(crate) tracks: usize,
    pub(crate) steps: Vec<Step>,
    pub(crate) seed: u64,
    /// The period to whose end the clock goes when all is done.
    pub(crate) until: Level,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Send(Vec<Event>),
    /// Some events are sent once more.
    SendAgain,
    /// So many records of the stream in a hundred are delivered, perhaps some from before too; perhaps the updater dies.
    Deliver {
        part: u8,
        before: bool,
        dies: bool,
    },
    /// The dispatcher runs; perhaps it dies.
    Dispatch {
        dies: bool,
    },
    /// A worker takes some messages in any order.
    Work {
        messages: u8,
        fate: Fate,
    },
    Clock(Until),
    Describe {
        track: usize,
        artist: usize,
    },
    Erase,
    /// Works off everything that is due, and perhaps deletes what has expired.
    Settle {
        sweep: bool,
    },
    Check,
}

/// What becomes of a message that a worker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    /// It is worked on now, and comes again later.
    Twice,
    /// The worker dies; the message comes again.
    Dies,
    /// It is lost.
    Lost,
}

/// How far the clock goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    Minutes(i64),
    /// So many minutes past the end of this hour, or of this day.
    HourEnd(i64),
    DayEnd(i64),
    Days(i64),
}

#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) track: usize,
    pub(crate) at: At,
    pub(crate) session: u8,
    pub(crate) kind: u8,
    pub(crate) detail: u32,
}

/// When an event happened.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    /// So many seconds from now.
    Near(i64),
    /// So many milliseconds from the beginning of this period of a level, or of the one before.
    Border {
        level: usize,
        before: bool,
        by_ms: i64,
    },
    DaysAgo(i64),
}

fn times() -> impl Strategy<Value = At> {
    let by = prop::sample::select(vec![-3_600_000_i64, -61_000, -1, 0, 1, 59_999, 60_000, 3_599_999, 3_600_000]);
    prop_oneof![
        4 => (-7200..280_i64).prop_map(At::Near),
        2 => (-100..100_i64).prop_map(At::Near),
        4 => (0..5_usize, any::<bool>(), by).prop_map(|(level, before, by_ms)| At::Border { level, before, by_ms }),
        1 => (1..730_i64).prop_map(At::DaysAgo),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    (0..4_usize, times(), 0..6_u8, 0..10_u8, any::<u32>()).prop_map(|(track, at, session, kind, detail)| Event {
        track,
        at,
        session,
        kind,
        detail,
    })
}

fn moves() -> impl Strategy<Value = Until> {
    prop_oneof![
        6 => (1..20_i64).prop_map(Until::Minutes),
        8 => (0..8_i64).prop_map(Until::HourEnd),
        4 => (0..8_i64).prop_map(Until::DayEnd),
        2 => (20..300_i64).prop_map(Until::Minutes),
        2 => (1..3_i64).prop_map(Until::Days),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let fates =
        prop_oneof![5 => Just(Fate::Done), 2 => Just(Fate::Twice), 2 => Just(Fate::Dies), 1 => Just(Fate::Lost)];
    let rarely = || prop::bool::weighted(0.15);
    prop_oneof![
        10 => vec(events(), 1..5).prop_map(Step::Send),
        1 => Just(Step::SendAgain),
        6 => (30..101_u8, rarely(), rarely()).prop_map(|(part, before, dies)| Step::Deliver { part, before, dies }),
        6 => rarely().prop_map(|dies| Step::Dispatch { dies }),
        9 => (1..5_u8, fates).prop_map(|(messages, fate)| Step::Work { messages, fate }),
        9 => moves().prop_map(Step::Clock),
        2 => (0..4_usize, 0..2_usize).prop_map(|(track, artist)| Step::Describe { track, artist }),
        1 => Just(Step::Erase),
        2 => any::<bool>().prop_map(|sweep| Step::Settle { sweep }),
        6 => Just(Step::Check),
    ]
}

pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    let described = vec((0..4_usize, 0..2_usize), 0..3);
    let until =
        prop_oneof![20 => Just(Level::Day), 4 => Just(Level::Week), 2 => Just(Level::Month), 1 => Just(Level::Year)];
    let leaps = prop_oneof![20 => Just(0_i64), 1 => 10..50_i64];
    (0..BEGINNINGS.len(), 2..5_usize, described, vec(steps(), 8..40), any::<u64>(), until, leaps).prop_map(
        |(beginning, tracks, described, mut rest, seed, until, leap)| {
            if leap > 0 {
                rest.insert(rest.len() / 2, Step::Clock(Until::Days(leap)));
            }
            let first = described.into_iter().map(|(track, artist)| Step::Describe { track, artist });
            Plan { beginning, tracks, steps: first.chain(rest).collect(), seed, until }
        },
    )
}
