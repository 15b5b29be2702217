//! `POST /api/notifications/{notificationId}/read`: marks a notification as read.

use std::sync::Arc;

use domain::id::NotificationId;
use domain::time::Time;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response, bodies};
use store::{Inbox, InboxNotification};
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "mark-notification-read", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| MarkNotificationRead {
        inbox: Inbox::open(setup),
        clock: setup.clock(),
    })
}

struct MarkNotificationRead {
    inbox: Inbox,
    clock: Arc<dyn Clock>,
}

impl HttpHandler for MarkNotificationRead {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let (user, id) = (request.user()?, request.path::<NotificationId>("notificationId")?);
            let now = Time::from(self.clock.now());
            store::update(request.deadline, || async {
                let stored = self.inbox.notification(user, &id).await?;
                let stored = stored.ok_or_else(|| Problem::NotFound(format!("there is no notification {id}")))?;
                if stored.read_at.is_some() {
                    return Ok(Ok(Response::json(StatusCode::OK, &bodies::notification(&stored))));
                }
                let written = self.inbox.read(user, &stored, now).await;
                Ok(written.map(|()| {
                    let read = InboxNotification { read_at: Some(now), ..stored };
                    Response::json(StatusCode::OK, &bodies::notification(&read))
                }))
            })
            .await
        })
    }
}
