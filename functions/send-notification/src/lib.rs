//! `POST /api/notifications`: notifies a user.

use std::sync::Arc;

use domain::id::{NotificationId, UserId};
use domain::live::{Channel, LiveEvent, LiveEventName};
use domain::notification::{LinkTargets, NewNotification, may_notify};
use domain::time::Time;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::courses;
use runtime::http::{Access, HttpHandler, IdempotentRequest, Problem, Request, Response, bodies};
use runtime::pusher::link_targets;
use serde_json::json;
use store::{Courses, Inbox, InboxNotification, Outbox, StoreError};
use system::clock::Clock;
use system::ids::Ids;

/// The function.
pub const FUNCTION: Function = Function { name: "send-notification", start };

/// The largest body, in bytes: the longest texts fit with every character escaped.
const MAX_BODY: usize = 32 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| SendNotification {
        targets: link_targets(setup),
        courses: Courses::open(setup),
        inbox: Inbox::open(setup),
        outbox: Outbox::open(setup),
        clock: setup.clock(),
        ids: setup.ids(),
    })
}

struct SendNotification {
    targets: LinkTargets,
    courses: Courses,
    inbox: Inbox,
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl HttpHandler for SendNotification {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            if !may_notify(&request.caller) {
                return Err(Problem::Forbidden("only a teacher or an admin may do this".to_owned()));
            }
            let body = request.json(MAX_BODY, &["application/json"])?;
            let new = NewNotification::parse(&body, &self.targets).map_err(Problem::Invalid)?;
            if !request.caller.is_admin() {
                courses::teaches(&self.courses, &new.to, new.course.as_ref(), &request).await?;
            }
            let NewNotification { to, notice, .. } = new;
            // The idempotency key determines the id, so a repeated request sends the same notification.
            let once = IdempotentRequest::of(&request, FUNCTION.name, json!({"userId": to, "notice": notice}))?;
            let id = once.as_ref().map_or_else(|| self.ids.fresh(), IdempotentRequest::id);
            let id: NotificationId = id.parse().map_err(|_| Problem::Internal)?;
            let (sender, sent_at) = (request.user()?.clone(), Time::from(self.clock.now()));
            let notification = InboxNotification { id: id.clone(), sender, sent_at, read_at: None, notice };
            let event = LiveEvent {
                channel: Channel::User(to.clone()),
                name: LiveEventName::NewNotification,
                id: id.to_string(),
                time: sent_at,
                body: bodies::notification(&notification),
            };
            let sent = store::update(request.deadline, || async {
                let written = self.inbox.put(&to, &notification, (&self.outbox, &event)).await;
                // Either the request is a repetition, or another notification is being written to the same user.
                if matches!(written, Err(StoreError::Conflict)) && self.inbox.receiver(&id).await?.is_some() {
                    let stored = self.inbox.notification(&to, &id).await?;
                    let stored = stored.filter(|stored| stored.notice == notification.notice);
                    return Ok(Ok(answer(&to, &stored.ok_or(Problem::KeyReused)?)));
                }
                Ok(written.map(|()| answer(&to, &notification)))
            });
            // Notifications to the same user contend for the count of unread ones, which is no conflict of the request.
            sent.await
                .map_err(|problem| if matches!(problem, Problem::Conflict) { Problem::Unavailable } else { problem })
        })
    }
}

fn answer(to: &UserId, notification: &InboxNotification) -> Response {
    let mut body = bodies::notification(notification);
    if let Some(body) = body.as_object_mut() {
        body.insert("userId".to_owned(), json!(to));
    }
    Response::json(StatusCode::CREATED, &body)
}
