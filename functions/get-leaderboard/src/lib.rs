//! `GET /api/leaderboard`: the sellers who are ahead in a month or of all times, or those around one of them.

use std::sync::Arc;

use domain::board::{Metric, Season};
use domain::id::UserId;
use domain::money::Currency;
use domain::time::Time;
use domain::validation::InvalidField;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, Cursor, HttpHandler, Limit, Problem, QueryReader, Request, Response, bodies};
use serde_json::json;
use store::Boards;
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "get-leaderboard", start };

/// How many neighbours there are on each side where nothing else is asked for.
const NEIGHBOURS: usize = 5;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::Public, |setup| GetLeaderboard {
        boards: Boards::open(setup),
        clock: setup.clock(),
    })
}

struct GetLeaderboard {
    boards: Boards,
    clock: Arc<dyn Clock>,
}

fn refused(parameter: &'static str, reason: &str) -> Problem {
    Problem::query(InvalidField::new(parameter, reason))
}

fn metric(query: &mut QueryReader<'_>) -> Option<Metric> {
    let currency: Option<Currency> = query.one("currency");
    let (parameter, reason) = match (query.one::<String>("metric").as_deref(), currency) {
        (Some("revenue"), Some(currency)) => return Some(Metric::Revenue(currency)),
        (Some("revenue"), None) if query.has_refused("currency") => return None,
        (Some("revenue"), None) => ("currency", "is required: revenue is never summed across currencies"),
        (_, Some(_)) => ("currency", "is only allowed with metric=revenue"),
        (None | Some("sales"), None) => return Some(Metric::Sales),
        (Some("views"), None) => return Some(Metric::Views),
        (Some(_), None) => ("metric", "must be one of sales, views, revenue"),
    };
    query.refuse(parameter, reason);
    None
}

impl HttpHandler for GetLeaderboard {
    fn parameters(&self) -> &'static [&'static str] {
        &["metric", "currency", "period", "limit", "cursor", "around"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let now = Time::from(self.clock.now());
            let mut query = request.query_reader();
            let (metric, season) = (metric(&mut query), query.one::<Season>("period"));
            let around: Option<UserId> = query.one("around");
            let (limit, cursor): (Option<Limit>, Option<Cursor>) = (query.one("limit"), query.one("cursor"));
            query.done()?;
            let metric = metric.ok_or(Problem::Internal)?;
            let season = season.unwrap_or_else(|| Season::running(now));
            let scope = format!("board {metric} {season}");
            let (name, currency) = match metric {
                Metric::Sales => ("sales", None),
                Metric::Views => ("views", None),
                Metric::Revenue(currency) => ("revenue", Some(currency)),
            };
            let (listed, next, last_updated) = match (&around, cursor) {
                (Some(_), Some(_)) => return Err(refused("cursor", "must not be given with around")),
                (Some(seller), None) => {
                    let neighbours = limit.map_or(NEIGHBOURS, Limit::items);
                    let found = self.boards.around(metric, season, seller, neighbours, request.deadline).await?;
                    let none = || Problem::NotFound(format!("seller {seller} is not on this board"));
                    let found = found.ok_or_else(none)?;
                    (found.entries, None, found.last_updated)
                }
                (None, cursor) => {
                    let after: Option<String> =
                        cursor.map(|cursor| cursor.after(&request.caller, &scope)).transpose()?;
                    let count = limit.unwrap_or_default().items();
                    let page = self.boards.page(metric, season, after.as_deref(), count, request.deadline).await?;
                    (page.entries, page.next, page.last_updated)
                }
            };
            let body = json!({
                "metric": name,
                "currency": currency,
                "period": season.to_string(),
                "entries": bodies::ranked(metric, &listed),
                "changedAt": last_updated,
                "nextResetAt": season.next_reset(now),
                "cursor": next.map(|next| Cursor::new(&request.caller, &scope, &next).to_string()),
            });
            Ok(Response::read(&request, body, now))
        })
    }
}
