//! `GET /api/stats/analytics`: the numbers of a track, of an artist or of all, over any part of the past.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::analytics::{Cells, Figures, Growth, Interval, Metric, Point, Range, TimeRange};
use domain::calendar::Calendar;
use domain::rollup::Scope;
use domain::time::Time;
use domain::validation::InvalidField;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response};
use serde_json::{Value, json};
use store::RollupReader;
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "get-analytics", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| GetAnalytics {
        reading: RollupReader::open(setup),
        calendar: setup.calendar(),
        clock: setup.clock(),
    })
}

struct GetAnalytics {
    reading: RollupReader,
    calendar: Calendar,
    clock: Arc<dyn Clock>,
}

/// The query of analytics.
struct AnalyticsQuery {
    scope: Scope,
    range: Range,
    metrics: BTreeSet<Metric>,
    interval: Option<Interval>,
    compares: bool,
}

impl AnalyticsQuery {
    fn of(request: &Request, calendar: &Calendar, now: Time) -> Result<Self, Problem> {
        let mut query = request.query_reader();
        let of = (query.one("trackId"), query.one("artistId"));
        let times = (query.one("timeRange"), query.one("from"), query.one("to"));
        let metrics: Vec<Metric> = query.list("metric");
        let (compare, interval) = (query.one::<String>("compare"), query.one("interval"));
        query.done()?;
        let scope = match of {
            (None, None) => Scope::Platform,
            (Some(track), None) => Scope::Track(track),
            (None, Some(artist)) => Scope::Artist(artist),
            (Some(_), Some(_)) => return Err(refused("artistId", "must not be given with trackId")),
        };
        let range = match times {
            (Some(_), Some(_), _) => return Err(refused("from", "must not be given with timeRange")),
            (_, None, Some(_)) => return Err(refused("to", "requires from")),
            (None, Some(from), to) => Range::between(from, to, calendar, now).map_err(Problem::query)?,
            (named, None, None) => Range::named(named.unwrap_or(TimeRange::Last30Days), calendar, now),
        };
        let range = if scope == Scope::Platform { range.in_full_hours(calendar, now) } else { range };
        let mut metrics: BTreeSet<Metric> = metrics.into_iter().collect();
        if metrics.is_empty() {
            metrics.extend(Metric::ALL);
        }
        let compares = match compare.as_deref() {
            None => false,
            Some("previous") => true,
            Some(_) => return Err(refused("compare", "must be previous")),
        };
        Ok(Self { scope, range, metrics, interval, compares })
    }
}

fn refused(parameter: &'static str, reason: &str) -> Problem {
    Problem::query(InvalidField::new(parameter, reason))
}

impl HttpHandler for GetAnalytics {
    fn parameters(&self) -> &'static [&'static str] {
        &["trackId", "artistId", "timeRange", "from", "to", "metric", "interval", "compare"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            if !request.caller.is_admin() {
                return Err(Problem::Forbidden("only an admin may read analytics".to_owned()));
            }
            let now = Time::from(self.clock.now());
            let asked = AnalyticsQuery::of(&request, &self.calendar, now)?;
            let (body, as_of) = self.answer(&asked, &request, now).await?;
            Ok(Response::read(&request, body, as_of))
        })
    }
}

impl GetAnalytics {
    async fn answer(&self, asked: &AnalyticsQuery, request: &Request, now: Time) -> Result<(Value, Time), Problem> {
        let AnalyticsQuery { scope, range, metrics, .. } = asked;
        let first = match asked.interval {
            Some(_) if range.begins_with_the_first() => self.reading.earliest(scope, request.deadline).await?,
            _ => None,
        };
        let points = match asked.interval {
            Some(interval) => range.series(interval, first, &self.calendar, now).map_err(Problem::query)?,
            None => Vec::new(),
        };
        let previous = range.previous.filter(|_| asked.compares);
        let cells = Cells::new(previous, range.span, &points);
        let read = self.reading.read(scope, cells.spans(), request.deadline).await?;
        let numbers = cells.sort_out(read.cells);

        let total = &numbers.total.counters;
        let before = previous.zip(numbers.previous.as_ref().map(|rollup| &rollup.counters));
        let series = asked.interval.map(|interval| {
            let points = points.iter().zip(&numbers.cells);
            let points: Vec<Point> = points.map(|(span, cell)| Point::of(*span, &cell.counters, metrics)).collect();
            json!({"interval": interval.level(), "points": points})
        });
        let (kind, id) = match scope {
            Scope::Track(track) => ("track", Some(("trackId", json!(track)))),
            Scope::Artist(artist) => ("artist", Some(("artistId", json!(artist)))),
            Scope::Platform => ("platform", None),
        };
        let mut body = json!({
            "scope": kind,
            "timeRange": range.named.map(|named| named.to_string()),
            "range": range.span,
            "timeZone": self.calendar.to_string(),
            "readFrom": read.from.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "metrics": Figures::of(total, metrics),
            "previous": before.map(|(span, of)| json!({"range": span, "metrics": Figures::of(of, metrics)})),
            "growth": before.map(|(_, of)| Growth::of(of, total, metrics)),
            "series": series,
        });
        if let (Some(body), Some((name, id))) = (body.as_object_mut(), id) {
            body.insert(name.to_owned(), id);
        }
        // The first thing that happened was looked up before the numbers were read.
        Ok((body, read.as_of.min(now)))
    }
}
