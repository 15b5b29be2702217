//! `GET /api/notifications`: what the caller was told, whether or not a page was open then.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::time::Time;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, Cursor, HttpHandler, Limit, Problem, Request, Response, bodies};
use serde_json::{Value, json};
use store::Inbox;
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "list-notifications", start };

/// How much earlier than asked for is told too: what was sent with a clock that was behind may have come later.
const OVERLAP: TimeDelta = TimeDelta::minutes(1);

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| GetNotifications {
        inbox: Inbox::open(setup),
        clock: setup.clock(),
    })
}

struct GetNotifications {
    inbox: Inbox,
    clock: Arc<dyn Clock>,
}

impl HttpHandler for GetNotifications {
    fn parameters(&self) -> &'static [&'static str] {
        &["from", "limit", "cursor"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let user = request.user()?;
            let now = Time::from(self.clock.now());
            let mut query = request.asked();
            let since: Option<Time> = query.one("from");
            let (limit, cursor): (Option<Limit>, Option<Cursor>) = (query.one("limit"), query.one("cursor"));
            query.done()?;
            let limit = limit.unwrap_or_default();
            let scope = format!("notifications of {user} since {since:?}");
            let after: Option<String> = cursor.map(|cursor| cursor.after(&request.caller, &scope)).transpose()?;
            let from = since.map(|since| since.plus(-OVERLAP));
            let (page, unread) = futures::try_join!(
                self.inbox.page(user, from, after.as_deref(), limit.items()),
                self.inbox.unread(user)
            )?;
            let notifications: Vec<Value> = page.notifications.iter().map(bodies::notification).collect();
            let cursor = page.next.map(|next| Cursor::new(&request.caller, &scope, &next).to_string());
            let body = json!({"notifications": notifications, "unread": unread, "cursor": cursor});
            Ok(Response::read(&request, body, now))
        })
    }
}
