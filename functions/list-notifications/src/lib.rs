//! `GET /api/notifications`: what the caller was told, whether or not a page was open then.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::time::Time;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Paging, Problem, Request, Response, bodies};
use serde_json::{Value, json};
use store::Inbox;
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "list-notifications", start };

/// How much earlier than asked for is told too: what was sent with a clock that was behind may have come later.
const OVERLAP: TimeDelta = TimeDelta::minutes(1);

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| ListNotifications {
        inbox: Inbox::open(setup),
        clock: setup.clock(),
    })
}

struct ListNotifications {
    inbox: Inbox,
    clock: Arc<dyn Clock>,
}

impl HttpHandler for ListNotifications {
    fn parameters(&self) -> &'static [&'static str] {
        &["from", "limit", "cursor"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let user = request.user()?;
            let now = Time::from(self.clock.now());
            let mut query = request.query_reader();
            let since: Option<Time> = query.one("from");
            let paging = Paging::read(&mut query);
            query.done()?;
            let list = paging.of(&request.caller, format!("notifications of {user} since {since:?}"))?;
            let from = since.map(|since| since.plus(-OVERLAP));
            let (page, unread) =
                futures::try_join!(self.inbox.page(user, from, list.after(), list.limit()), self.inbox.unread(user))?;
            let notifications: Vec<Value> = page.notifications.iter().map(bodies::notification).collect();
            let cursor = list.cursor(page.next.as_deref());
            let body = json!({"notifications": notifications, "unread": unread, "cursor": cursor});
            Ok(Response::read(&request, body, now))
        })
    }
}
