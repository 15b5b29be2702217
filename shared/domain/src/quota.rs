//! Quotas: how much one caller may send.
//!
//! A subject is a write key, a signed-in user, a network or a session. It has a bound on all events in a minute, and a
//! bound on the events it adds to a single minute of a single track. Events that arrive late are counted by the day, so
//! that past minutes cannot be filled without limit.

use std::str::FromStr;

use chrono::TimeDelta;

use super::entity::Bucket;
use super::time::Time;

/// An event is late when its minute ended this long ago.
pub const LATE_AFTER: TimeDelta = TimeDelta::minutes(10);

/// The daily bound of late events, in multiples of the bound per minute.
pub const LATE_MINUTES: u64 = 16;

/// Over how many cells the things that a subject sends to are spread. Two that share a cell share its bound.
pub const CELLS: u64 = 64;

/// The bound of a subject in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// In all.
    pub all: u64,
    /// To one thing: a minute of a track, a track or a product.
    pub one: u64,
}

/// The quotas of a deployment. One that is not there bounds nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Events of a write key, in a minute.
    pub key: Option<Bound>,
    /// Events of a signed-in user, per minute.
    pub user: Option<Bound>,
    /// Events of anonymous callers of a network, in a minute.
    pub network: Option<Bound>,
    /// Events of a session without a signed-in user, per minute.
    pub session: Option<Bound>,
    /// Likes and saves of anonymous callers of a network, in a day.
    pub likes: Option<Bound>,
    /// Views of products by anonymous callers of a network, in a day.
    pub views: Option<Bound>,
}

/// A text that is no quotas.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a quota: it must be like network=1200/300")]
pub struct InvalidQuota(String);

impl FromStr for Quotas {
    type Err = InvalidQuota;

    /// Reads quotas such as `key=60000/20000,network=1200/300`: in all, and to one entity. `none` sets no bound.
    fn from_str(text: &str) -> Result<Self, InvalidQuota> {
        let mut quotas = Self::default();
        for part in text.split(',').filter(|_| text != "none") {
            let invalid = || InvalidQuota(part.to_owned());
            let (name, bounds) = part.split_once('=').ok_or_else(invalid)?;
            let (all, one) = bounds.split_once('/').ok_or_else(invalid)?;
            let number = |text: &str| text.parse().ok().and_then(in_range).ok_or_else(invalid);
            let bound = Bound { all: number(all)?, one: number(one)? };
            let slot = match name {
                "key" => &mut quotas.key,
                "user" => &mut quotas.user,
                "network" => &mut quotas.network,
                "session" => &mut quotas.session,
                "likes" => &mut quotas.likes,
                "views" => &mut quotas.views,
                _ => return Err(invalid()),
            };
            if slot.replace(bound).is_some() {
                return Err(invalid());
            }
        }
        Ok(quotas)
    }
}

/// A limit that keeps sums far below 64 bits.
fn in_range(number: u64) -> Option<u64> {
    (1..=1_000_000_000).contains(&number).then_some(number)
}

/// The stretch of time in which something is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// The minute of arrival that begins then.
    Minute(Time),
    /// The day of UTC that begins then.
    Day(Time),
}

impl Window {
    /// The minute in which something arrives.
    #[must_use]
    pub fn minute(now: Time) -> Self {
        Self::Minute(now.minute().start())
    }

    /// The day in which something arrives.
    #[must_use]
    pub fn day(now: Time) -> Self {
        let since = now.millis().rem_euclid(TimeDelta::days(1).num_milliseconds());
        Self::Day(now.plus(-TimeDelta::milliseconds(since)))
    }

    /// In which window an event is counted that happened in the minute of a bucket and arrives now.
    #[must_use]
    pub fn of_event(bucket: &Bucket, now: Time) -> Self {
        if is_late(bucket, now) { Self::day(now) } else { Self::minute(now) }
    }

    /// When it begins.
    #[must_use]
    pub fn start(self) -> Time {
        match self {
            Self::Minute(start) | Self::Day(start) => start,
        }
    }

    /// When it is over.
    #[must_use]
    pub fn end(self) -> Time {
        match self {
            Self::Minute(start) => start.plus(TimeDelta::minutes(1)),
            Self::Day(start) => start.plus(TimeDelta::days(1)),
        }
    }

    /// The bound in this window of a subject with this bound per minute.
    #[must_use]
    pub fn bound(self, of_minute: Bound) -> Bound {
        match self {
            Self::Minute(_) => of_minute,
            Self::Day(_) => Bound { all: of_minute.all.saturating_mul(LATE_MINUTES), ..of_minute },
        }
    }
}

fn is_late(bucket: &Bucket, now: Time) -> bool {
    now.since(bucket.minute.start()) >= TimeDelta::minutes(1) + LATE_AFTER
}

/// A hash of a text that is the same in every build and on every machine: FNV-1a.
#[must_use]
pub fn stable_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The cell of a thing.
#[must_use]
pub fn cell(of: &str) -> u8 {
    let hash = stable_hash(of);
    // All parts of the hash, for not every part of it depends on all of the text.
    let folded = hash ^ (hash >> 16) ^ (hash >> 32) ^ (hash >> 48);
    u8::try_from(folded % CELLS).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::Entity;

    #[test]
    fn parses_quotas_and_rejects_malformed_ones() {
        let quotas: Quotas = "key=60000/20000,network=1200/300".parse().unwrap();
        assert_eq!(quotas.key, Some(Bound { all: 60_000, one: 20_000 }));
        assert_eq!(
            quotas,
            Quotas { key: quotas.key, network: Some(Bound { all: 1200, one: 300 }), ..Quotas::default() }
        );
        assert_eq!("none".parse(), Ok(Quotas::default()));
        for wrong in ["", "key", "key=1", "key=0/1", "key=1/-1", "key=1/2/3", "keys=1/1", "key=1/1,key=1/1", "key=1/1,"]
        {
            assert!(wrong.parse::<Quotas>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn late_events_are_counted_by_day_and_others_by_minute() {
        let now: Time = "2026-01-31T12:30:10.500Z".parse().unwrap();
        let of = |at: &str| {
            let minute = at.parse::<Time>().unwrap().minute();
            Window::of_event(&Bucket { entity: Entity::Track("t".parse().unwrap()), minute }, now)
        };
        let minute = Window::Minute("2026-01-31T12:30:00Z".parse().unwrap());
        let day = Window::Day("2026-01-31T00:00:00Z".parse().unwrap());
        assert_eq!((of("2026-01-31T12:35:00Z"), of("2026-01-31T12:30:00Z")), (minute, minute));
        assert_eq!((of("2026-01-31T12:20:00Z"), of("2026-01-31T12:19:00Z")), (minute, day));
        assert_eq!(day.end(), "2026-02-01T00:00:00Z".parse().unwrap());
        assert_eq!(day.bound(Bound { all: 10, one: 3 }), Bound { all: 160, one: 3 });
    }

    #[test]
    fn entities_are_spread_over_all_cells() {
        let mut found = [0; 64];
        (0..6400).for_each(|number| found[usize::from(cell(&format!("TRACK#song-{number}")))] += 1);
        assert!(found.iter().all(|count| (50..200).contains(count)), "{found:?}");
        assert_eq!(stable_hash("a"), 0xaf63_dc4c_8601_ec8c);
    }
}
