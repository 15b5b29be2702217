//! Late hours: hours that have changed since they were closed, or may have, and the corrections that this makes.

use std::collections::BTreeSet;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::pages::LatePage;
use super::reader::{CONCURRENCY, MOST_LIVE, MinuteCounters, RollupReader};
use super::stamps::{ChangeCounter, RollupKind};
use super::stored::StoredRollup;
use crate::error::StoreError;
use crate::items::from_item;
use crate::keys;
use crate::table::{Consistency, KeyRange};
use domain::calendar::Period;
use domain::counters::TrackCounters;
use domain::fold::Fold;
use domain::id::TrackId;
use domain::rollup::Scope;
use domain::time::Time;

/// How many late hours of tracks are corrected, those first that have waited longest. If there are more, the response
/// has the time since which others have changed; they count once they are closed.
pub(super) const MOST_LATE: usize = 1_000;

/// Hours that have changed since they were closed, or may have.
#[derive(Debug, Clone, Default)]
pub(super) struct LateHours {
    /// The hours, in order.
    pub(super) hours: Vec<(Period, TrackId)>,
    /// If not all of them are known, the time since which others have changed.
    pub(super) incomplete_since: Option<Time>,
}

/// Marked hours of tracks, and whether there are more.
type MarkedHours = (Vec<(Period, TrackId)>, bool);

/// A late hour, and the change counter of the rollup that it is part of.
pub(super) struct LateHour<'a> {
    pub(super) hour: Period,
    pub(super) track: TrackId,
    pub(super) kind: RollupKind,
    pub(super) change_counter: &'a ChangeCounter,
}

/// What a late hour contributes to a rollup that was read before it (`before`), and what it should contribute
/// (`after`).
pub(super) struct Correction {
    pub(super) hour: Period,
    pub(super) track: TrackId,
    pub(super) after: TrackCounters,
    pub(super) before: TrackCounters,
}

impl RollupReader {
    /// The hours that have changed since they were closed, or may have.
    pub(super) async fn late_hours(
        &self,
        scope: &Scope,
        members: Option<&BTreeSet<TrackId>>,
    ) -> Result<LateHours, StoreError> {
        if let Scope::Track(track) = scope {
            let (hours, more) = self.marked_hours(track.clone()).await?;
            let incomplete_since = if more { self.late_since().await? } else { None };
            return Ok(LateHours { hours, incomplete_since });
        }
        let (pages, more) = self.reader.late(MOST_LATE, Consistency::Eventual).await?;
        let mut incomplete_since = None;
        let mut hours = BTreeSet::new();
        for LatePage { hour, page, since, .. } in pages {
            hours.extend(page.tracks.into_iter().map(|track| (hour, track)));
            if more || hours.len() > MOST_LATE {
                incomplete_since = Some(since);
            }
            if hours.len() > MOST_LATE {
                break;
            }
        }
        let Some(members) = members else {
            return Ok(LateHours { hours: hours.into_iter().collect(), incomplete_since });
        };
        if incomplete_since.is_none() || members.len() > MOST_LIVE {
            hours.retain(|(_, track)| members.contains(track));
            return Ok(LateHours { hours: hours.into_iter().collect(), incomplete_since });
        }
        // Hours of other artists may fill the list, so the marks of the artist's own tracks are read.
        let marked: Vec<_> = members.iter().map(|track| self.marked_hours(track.clone())).collect();
        let marked: Vec<_> = stream::iter(marked).buffer_unordered(CONCURRENCY).try_collect().await?;
        let mut more = marked.iter().any(|(_, more)| *more);
        let mut hours: Vec<(Period, TrackId)> = marked.into_iter().flat_map(|(hours, _)| hours).collect();
        more |= hours.len() > MOST_LATE;
        hours.sort();
        hours.truncate(MOST_LATE);
        let incomplete_since = if more { self.late_since().await? } else { None };
        Ok(LateHours { hours, incomplete_since })
    }

    /// The marked hours of a track, up to a limit, and whether there are more.
    fn marked_hours(&self, track: TrackId) -> BoxFuture<'_, Result<MarkedHours, StoreError>> {
        Box::pin(async move {
            let marks = KeyRange::with_prefix(keys::rollups(&Scope::Track(track.clone())), keys::CHANGED);
            let (marks, more) = self.reader.stats.query_up_to(&marks, MOST_LATE, Consistency::Eventual).await?;
            let hours = marks.iter().map(|mark| Ok((self.hour(mark, keys::CHANGED)?, track.clone())));
            Ok((hours.collect::<Result<_, StoreError>>()?, more))
        })
    }

    /// The time since which any hour has waited to be closed again.
    pub(super) async fn late_since(&self) -> Result<Option<Time>, StoreError> {
        let (pages, _) = self.reader.late(1, Consistency::Eventual).await?;
        Ok(pages.first().map(|page| page.since))
    }

    /// The corrections for late hours. They are read strongly consistent, and after the rollups that the hours are part
    /// of.
    pub(super) async fn corrections(
        &self,
        scope: &Scope,
        late: Vec<LateHour<'_>>,
        deadline: Instant,
    ) -> Result<Vec<Correction>, StoreError> {
        let key = |late: &LateHour<'_>| keys::rollup(&Scope::Track(late.track.clone()), &late.hour);
        let closed = self.reader.stats.get_all(late.iter().map(key).collect(), Consistency::Strong, deadline).await?;
        let minutes: Vec<_> = late
            .iter()
            .map(|late| self.minutes_of(late.track.clone(), late.hour.span(), Consistency::Strong))
            .collect();
        let minutes: Vec<MinuteCounters> = stream::iter(minutes).buffered(CONCURRENCY).try_collect().await?;
        let mut corrected = Vec::with_capacity(late.len());
        for (late, minutes) in late.into_iter().zip(minutes) {
            let read: Option<StoredRollup> = closed.get(&key(&late)).cloned().map(from_item).transpose()?;
            let part = late.change_counter.part_of(late.kind, (&late.track, &late.hour), read.as_ref())?;
            let before = part.filter(|(of, _)| match scope {
                Scope::Artist(artist) => *of == Some(artist),
                Scope::Track(_) | Scope::Platform => true,
            });
            let before = before.map(|(_, counters)| counters.clone()).unwrap_or_default();
            let mut after = TrackCounters::default();
            minutes.iter().for_each(|(_, _, minute)| after.merge(minute));
            corrected.push(Correction { hour: late.hour, track: late.track, after, before });
        }
        Ok(corrected)
    }
}
