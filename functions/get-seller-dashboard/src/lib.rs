//! `GET /api/seller/dashboard`: all that a seller wants to see at a glance.

use std::sync::Arc;

use domain::board::{Metric, Season};
use domain::caller::{Caller, Role};
use domain::id::UserId;
use domain::time::Time;
use domain::validation::InvalidField;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response};
use serde_json::{Value, json};
use store::{Boards, Inbox, SellerRanks};
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "get-seller-dashboard", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| GetSellerDashboard {
        boards: Boards::open(setup),
        inbox: Inbox::open(setup),
        clock: setup.clock(),
    })
}

struct GetSellerDashboard {
    boards: Boards,
    inbox: Inbox,
    clock: Arc<dyn Clock>,
}

/// Whose dashboard is asked for, if the caller may see it.
fn whose(request: &Request) -> Result<UserId, Problem> {
    match &request.caller {
        Caller::User { role: Role::Admin, .. } => request
            .query("sellerId")?
            .ok_or_else(|| Problem::query(InvalidField::new("sellerId", "is required from an admin"))),
        Caller::User { role: Role::Seller, id } => match request.query::<UserId>("sellerId")? {
            Some(other) if other != *id => {
                Err(Problem::Forbidden("only the seller or an admin may read this dashboard".to_owned()))
            }
            _ => Ok(id.clone()),
        },
        _ => Err(Problem::Forbidden("only a seller or an admin may read this dashboard".to_owned())),
    }
}

/// What the boards of a season say of a seller: the numbers there, and the ranks.
fn on_boards(season: Season, on: &SellerRanks) -> Value {
    let rank = |of: fn(&Metric) -> bool| on.ranks.iter().find(|(metric, _)| of(metric)).map(|(_, ranked)| ranked.rank);
    let earnings = on.ranks.iter().filter_map(|(metric, ranked)| match metric {
        Metric::Revenue(currency) => Some((currency.code(), json!({"amount": ranked.value, "rank": ranked.rank}))),
        Metric::Sales | Metric::Views => None,
    });
    json!({
        "period": season.to_string(),
        "itemsSold": {"count": on.figures.sales, "rank": rank(|metric| matches!(metric, Metric::Sales))},
        "views": {"count": on.figures.views, "rank": rank(|metric| matches!(metric, Metric::Views))},
        "earnings": earnings.map(|(code, earned)| (code.to_owned(), earned)).collect::<serde_json::Map<_, _>>(),
    })
}

impl HttpHandler for GetSellerDashboard {
    fn parameters(&self) -> &'static [&'static str] {
        &["sellerId"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let seller = whose(&request)?;
            let now = Time::from(self.clock.now());
            let (running, deadline) = (Season::running(now), request.deadline);
            let (ever, month, active, unread) = futures::try_join!(
                self.boards.standing(&seller, Season::All, deadline),
                self.boards.standing(&seller, running, deadline),
                self.boards.on_offer(&seller),
                self.inbox.unread(&seller),
            )?;
            let body = json!({
                "sellerId": seller,
                "activeListings": active.listings,
                "totalViews": ever.figures.views,
                "activeViews": active.views,
                "itemsSold": ever.figures.sales,
                "totalEarnings": ever.figures.revenue,
                "unread": unread,
                "month": on_boards(running, &month),
                "allTime": on_boards(Season::All, &ever),
                "nextResetAt": running.next_reset(now),
            });
            Ok(Response::read(&request, body, now))
        })
    }
}
