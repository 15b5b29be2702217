//! `GET /api/dashboard/stats`: all that an artist wants to see at a glance.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::analytics::{
    Cells, Engagement, Growth, Metric, Numbers, Overview, Range, TimeRange, TrendPoint, top_tracks,
};
use domain::calendar::Calendar;
use domain::caller::{Caller, Role};
use domain::counters::TrackCounters;
use domain::id::{TrackId, UserId};
use domain::merge::MergedPlay;
use domain::playlist::{Status, Submission};
use domain::rollup::Scope;
use domain::time::Time;
use domain::time_span::TimeSpan;
use domain::validation::InvalidField;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies, seconds};
use serde_json::{Value, json};
use store::{
    Documents, Listed, Occurrence, Playlists, RecentActivity, RecentActivityReader, RollupReader, StoreError,
    ValueSource,
};
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "get-artist-dashboard", start };

/// How many of each are shown.
const RECENT_PLAYS: usize = 10;
const RECENT_LIKES: usize = 5;
const RECENT_SUBMISSIONS: usize = 5;
const TOP_TRACKS: usize = 5;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| GetArtistDashboard {
        reading: RollupReader::open(setup),
        recent: RecentActivityReader::open(setup),
        documents: Documents::open(setup),
        playlists: Playlists::open(setup),
        calendar: setup.calendar(),
        clock: setup.clock(),
    })
}

struct GetArtistDashboard {
    reading: RollupReader,
    recent: RecentActivityReader,
    documents: Documents,
    playlists: Playlists,
    calendar: Calendar,
    clock: Arc<dyn Clock>,
}

/// What the numbers of an artist say.
struct Activity {
    points: Vec<TimeSpan>,
    numbers: Numbers,
    read_from: BTreeSet<ValueSource>,
    as_of: Time,
    recent: RecentActivity,
}

/// The tracks of an artist.
struct Catalogue(BTreeMap<TrackId, Listed>);

impl HttpHandler for GetArtistDashboard {
    fn parameters(&self) -> &'static [&'static str] {
        &["artistId", "timeRange"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let artist = whose(&request)?;
            let named = request.query("timeRange")?.unwrap_or(TimeRange::Last30Days);
            let range = Range::named(named, &self.calendar, Time::from(self.clock.now()));
            let (activity, tracks, playlists, submissions) = futures::try_join!(
                self.activity(&artist, named, &range, &request),
                self.documents.tracks_of(&artist),
                self.playlists.of_owner(&artist),
                self.playlists.submissions_of(&artist),
            )?;
            let catalogue = Catalogue(tracks);
            let counters = &activity.numbers.total.counters;
            let points = activity.points.iter().zip(&activity.numbers.cells);
            let series: Vec<_> = points.map(|(span, cell)| TrendPoint::of(*span, &cell.counters)).collect();
            let body = json!({
                "artistId": artist,
                "timeRange": named.to_string(),
                "range": range.span,
                "timeZone": self.calendar.to_string(),
                "readFrom": activity.read_from.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "artist": catalogue.profile(&artist),
                "overview": Overview::of(counters, catalogue.0.len()),
                "recentActivity": catalogue.recent(&activity.recent),
                "topTracks": catalogue.top(&activity.numbers),
                "engagement": Engagement::of(counters),
                "playlistStats": playlist_stats(playlists.len(), submissions),
                "previousRange": range.previous,
                "growth": growth(&activity.numbers),
                "series": {"interval": named.step(), "points": series},
            });
            Ok(Response::read(&request, body, activity.as_of))
        })
    }
}

/// Whose dashboard is asked for, if the caller may see it.
fn whose(request: &Request) -> Result<UserId, Problem> {
    match &request.caller {
        Caller::User { role: Role::Admin, .. } => request
            .query("artistId")?
            .ok_or_else(|| Problem::query(InvalidField::new("artistId", "is required from an admin"))),
        Caller::User { role: Role::Artist, id } => match request.query::<UserId>("artistId")? {
            Some(other) if other != *id => {
                Err(Problem::Forbidden("only the artist or an admin may read this dashboard".to_owned()))
            }
            _ => Ok(id.clone()),
        },
        _ => Err(Problem::Forbidden("only an artist or an admin may read this dashboard".to_owned())),
    }
}

impl GetArtistDashboard {
    fn activity<'a>(
        &'a self,
        artist: &'a UserId,
        named: TimeRange,
        range: &'a Range,
        request: &'a Request,
    ) -> BoxFuture<'a, Result<Activity, StoreError>> {
        Box::pin(async move {
            let (scope, deadline) = (Scope::Artist(artist.clone()), request.deadline);
            let now = Time::from(self.clock.now());
            let first =
                if range.begins_with_the_first() { self.reading.earliest(&scope, deadline).await? } else { None };
            let points = range.points(named.step(), first, &self.calendar);
            let cells = Cells::new(range.previous, range.span, &points);
            let read = self.reading.read(&scope, cells.spans(), deadline).await?;
            let recent =
                self.recent.of_artist(artist, (&read, range.span.from), RECENT_PLAYS, RECENT_LIKES, deadline).await?;
            let numbers = cells.sort_out(read.cells);
            Ok(Activity { points, numbers, read_from: read.from, as_of: read.as_of.min(now), recent })
        })
    }
}

impl Catalogue {
    fn title(&self, track: &TrackId) -> Option<&str> {
        self.0.get(track).map(|track| track.title.as_str())
    }

    fn profile(&self, artist: &UserId) -> Value {
        let released = || self.0.values().filter_map(|track| track.released_at);
        json!({
            "artistId": artist,
            "totalTracks": self.0.len(),
            "firstReleasedAt": released().min(),
            "latestReleasedAt": released().max(),
        })
    }

    fn top(&self, numbers: &Numbers) -> Value {
        let Some(tracks) = top_tracks(&numbers.total, TOP_TRACKS) else { return Value::Null };
        let tracks = tracks.into_iter().map(|top| {
            let title = self.title(&top.track);
            json!({"trackId": top.track, "title": title, "totalPlays": top.share.plays, "totalLikes": top.share.likes})
        });
        tracks.collect()
    }

    /// What happened last; who it was stays out.
    fn recent(&self, recent: &RecentActivity) -> Value {
        let plays: Vec<Value> = recent.plays.iter().map(|play| self.play(play)).collect();
        let likes: Vec<Value> = recent.likes.iter().map(|like| self.like(like)).collect();
        json!({"plays": plays, "likes": likes})
    }

    fn play(&self, Occurrence { track, at, what, .. }: &Occurrence<MergedPlay>) -> Value {
        json!({
            "trackId": track,
            "title": self.title(track),
            "timestamp": at,
            "source": what.source,
            "durationSeconds": what.duration_ms.map(seconds),
            "completionRate": what.completion.map(percent),
        })
    }

    fn like(&self, Occurrence { track, at, .. }: &Occurrence<()>) -> Value {
        json!({"trackId": track, "title": self.title(track), "timestamp": at})
    }
}

/// Hundredths of a percent in percent.
#[allow(clippy::cast_precision_loss, reason = "there are at most 10,000 of them")]
fn percent(hundredths: u64) -> f64 {
    hundredths as f64 / 100.0
}

fn playlist_stats(playlists: usize, mut submissions: Vec<Submission>) -> Value {
    let of = |status: Status| submissions.iter().filter(|submission| submission.status == status).count();
    let counts = json!({
        "total": submissions.len(),
        "pending": of(Status::Pending),
        "accepted": of(Status::Accepted),
        "rejected": of(Status::Rejected),
    });
    submissions.sort_by_key(|submission| Reverse(submission.submitted_at));
    let recent: Vec<Value> = submissions.iter().take(RECENT_SUBMISSIONS).map(bodies::submission).collect();
    json!({"playlists": playlists, "submissions": counts, "recent": recent})
}

fn growth(numbers: &Numbers) -> Growth {
    let nothing = TrackCounters::default();
    let previous = numbers.previous.as_ref().map_or(&nothing, |previous| &previous.counters);
    let shown = BTreeSet::from([Metric::Plays, Metric::Likes, Metric::Shares]);
    Growth::of(previous, &numbers.total.counters, &shown)
}
