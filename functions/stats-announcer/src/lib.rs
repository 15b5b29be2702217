//! Tells open pages that numbers have changed: once a channel and second, however often they did.
//!
//! Messages wait in their queue until the second in which they were sent is over. So whoever reads the numbers then reads all
//! that changed in it, and what was told of a second or of a later one needs not be told again.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::DateTime;
use domain::board::{Metric, Season};
use domain::id::{TrackId, UserId};
use domain::live::{Channel, LiveEvent, LiveEventName, Subject};
use domain::time::Time;
use runtime::BoxFuture;
use runtime::batch::{Message, QueueHandler, RecordOutcome};
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::bodies;
use serde_json::{Value, json};
use store::{Boards, Documents, Inbox, Outbox, RollupReader, StoreError};
use system::clock::Clock;
use tokio::time::Instant;

/// The function.
pub const FUNCTION: Function = Function { name: "stats-announcer", start };

/// The number of places of a board that are announced.
const TOP: usize = 10;

fn start(context: &FunctionContext) -> StartResult {
    runtime::batch::start_queue(context, FUNCTION, |setup| StatsAnnouncer {
        documents: Documents::open(setup),
        inbox: Inbox::open(setup),
        boards: Boards::open(setup),
        outbox: Outbox::open(setup),
        tracks: RollupReader::open(setup),
        clock: setup.clock(),
    })
}

struct StatsAnnouncer {
    documents: Documents,
    inbox: Inbox,
    boards: Boards,
    outbox: Outbox,
    tracks: RollupReader,
    clock: Arc<dyn Clock>,
}

/// What is told where.
type Told = Vec<(Channel, LiveEventName, Value)>;

impl StatsAnnouncer {
    async fn announce(&self, subject: &Subject, second: u64, deadline: Instant) -> Result<(), StoreError> {
        let told = match subject {
            Subject::Track(track) => self.track(track, deadline).await?,
            Subject::Seller(seller) => self.seller(seller, deadline).await?,
            Subject::Boards => self.boards(deadline).await?,
        };
        // That of the end of its second: so what is told of seconds is told in their order.
        let end = i64::try_from(second + 1).ok().and_then(|end| DateTime::from_timestamp(end, 0));
        let time = end.map_or_else(|| Time::from(self.clock.now()), Time::from);
        for (channel, name, body) in told {
            let event = LiveEvent { id: format!("{second}.{channel}"), channel, name, time, body };
            self.outbox.enqueue_stats(&event, second).await?;
        }
        Ok(())
    }

    async fn track(&self, track: &TrackId, deadline: Instant) -> Result<Told, StoreError> {
        let (total, described) =
            futures::try_join!(self.tracks.total(track, deadline), self.documents.track(track, false))?;
        let Some((counters, as_of)) = total else { return Ok(Vec::new()) };
        let body = json!({"trackId": track, "counters": bodies::counters(&counters), "asOf": as_of});
        let mut told = vec![(Channel::Track(track.clone()), LiveEventName::StatsUpdate, body)];
        // A dashboard is made of all tracks of its artist: it is asked for again by whoever looks at it.
        told.extend(described.map(|track| {
            let artist = track.document.artist;
            let body = json!({"artistId": artist});
            (Channel::ArtistDashboard(artist), LiveEventName::DashboardUpdate, body)
        }));
        Ok(told)
    }

    async fn seller(&self, seller: &UserId, deadline: Instant) -> Result<Told, StoreError> {
        let (ever, active, unread) = futures::try_join!(
            self.boards.standing(seller, Season::All, deadline),
            self.boards.on_offer(seller),
            self.inbox.unread(seller)
        )?;
        let body = json!({
            "sellerId": seller,
            "activeListings": active.listings,
            "totalViews": ever.figures.views,
            "activeViews": active.views,
            "itemsSold": ever.figures.sales,
            "totalEarnings": ever.figures.revenue,
            "unread": unread,
        });
        Ok(vec![(Channel::SellerDashboard(seller.clone()), LiveEventName::StatsUpdate, body)])
    }

    async fn boards(&self, deadline: Instant) -> Result<Told, StoreError> {
        let season = Season::running(Time::from(self.clock.now()));
        let (sales, views) = futures::try_join!(
            self.boards.page(Metric::Sales, season, None, TOP, deadline),
            self.boards.page(Metric::Views, season, None, TOP, deadline)
        )?;
        let body = json!({
            "period": season.to_string(),
            "sales": bodies::ranked(Metric::Sales, &sales.entries),
            "views": bodies::ranked(Metric::Views, &views.entries),
        });
        let channels = [Channel::Leaderboard, Channel::SignedInLeaderboard];
        Ok(channels.map(|channel| (channel, LiveEventName::LeaderboardUpdate, body.clone())).into())
    }
}

impl QueueHandler for StatsAnnouncer {
    fn handle<'a>(&'a self, messages: &'a [Message], deadline: Instant) -> BoxFuture<'a, Vec<RecordOutcome>> {
        Box::pin(async move {
            let asked: Vec<Result<Subject, String>> = messages
                .iter()
                .map(|message| message.body.parse::<Subject>().map_err(|error| error.to_string()))
                .collect();
            let mut seconds: BTreeMap<&Subject, u64> = BTreeMap::new();
            for (subject, message) in asked.iter().zip(messages) {
                if let Ok(subject) = subject {
                    let second = seconds.entry(subject).or_default();
                    *second = message.sent.max(*second);
                }
            }
            let mut left: BTreeMap<&Subject, RecordOutcome> = BTreeMap::new();
            for (subject, second) in seconds {
                if let Err(error) = self.announce(subject, second, deadline).await {
                    left.insert(subject, RecordOutcome::from(&error));
                }
            }
            asked
                .iter()
                .map(|asked| match asked {
                    Ok(subject) => left.get(subject).cloned().unwrap_or(RecordOutcome::Done),
                    Err(reason) => RecordOutcome::Poison(reason.clone()),
                })
                .collect()
        })
    }
}
