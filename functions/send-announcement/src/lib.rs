//! `POST /api/announcements`: sends an announcement to all open pages.

use std::sync::Arc;

use domain::live::{Channel, LiveEvent, LiveEventName};
use domain::notification::{LinkTargets, Notice};
use domain::time::Time;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, IdempotentRequest, Problem, Request, Response};
use runtime::pusher::link_targets;
use serde_json::json;
use store::{IdempotencyStore, Outbox};
use system::clock::Clock;
use system::ids::Ids;

/// The function.
pub const FUNCTION: Function = Function { name: "send-announcement", start };

/// The largest body, in bytes: the longest texts fit with every character escaped.
const MAX_BODY: usize = 32 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| SendAnnouncement {
        targets: link_targets(setup),
        answers: IdempotencyStore::open(setup),
        outbox: Outbox::open(setup),
        clock: setup.clock(),
        ids: setup.ids(),
    })
}

struct SendAnnouncement {
    targets: LinkTargets,
    answers: IdempotencyStore,
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl HttpHandler for SendAnnouncement {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            if !request.caller.is_admin() {
                return Err(Problem::Forbidden("only an admin may do this".to_owned()));
            }
            let body = request.json(MAX_BODY, &["application/json"])?;
            let notice = Notice::parse(&body, &self.targets).map_err(Problem::Invalid)?;
            let body = json!(notice);
            let once = IdempotentRequest::of(&request, FUNCTION.name, body.clone())?;
            let (channel, name, now) =
                (Channel::Announcements, LiveEventName::Announcement, Time::from(self.clock.now()));
            // The idempotency key determines the id, so a repeated request sends the same announcement.
            let id = once.as_ref().map_or_else(|| self.ids.fresh(), IdempotentRequest::id);
            let event = LiveEvent { channel, name, id, time: now, body };
            let Some(once) = once else {
                self.outbox.enqueue_event(&event).await?;
                return Ok(Response::json(StatusCode::ACCEPTED, &event.data()));
            };
            let answer = once.lasting_answer(StatusCode::ACCEPTED, &event.data(), now);
            store::update_idempotent(request.deadline, || async {
                if let Some(response) = once.answered(&self.answers).await? {
                    return Ok(Ok(response));
                }
                if let Some(time) = once.done(&self.answers).await? {
                    // The stored response has expired; the announcement is not sent again.
                    return Ok(Ok(Response::json(StatusCode::ACCEPTED, &LiveEvent { time, ..event.clone() }.data())));
                }
                let written = self.outbox.enqueue_idempotent(&event, (&self.answers, &answer)).await;
                Ok(written.map(|()| Response::json(StatusCode::ACCEPTED, &event.data())))
            })
            .await
        })
    }
}
