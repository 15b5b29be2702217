//! `POST /api/announcements`: everybody whose page is open is told something.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;
use shared::BoxFuture;
use shared::backoff::Backoff;
use shared::boot::Boot;
use shared::clock::Clock;
use shared::domain::live::{Channel, LiveEvent, LiveEventName};
use shared::domain::notification::Notice;
use shared::domain::time::Time;
use shared::function::{Function, Invoke, StartError};
use shared::http::{Access, HttpHandler, Once, Problem, Request, Response};
use shared::ids::Ids;
use shared::store::{Answers, Outbox};

/// The function.
pub const FUNCTION: Function = Function { name: "announce", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 16 * 1024;

fn start(boot: &Boot) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (state, outbox) = (reader.required("STATE_TABLE"), reader.required("OUTBOX_TABLE"));
    reader.finish(())?;
    let handler = Announce {
        answers: Answers::new(boot.dynamodb(), state),
        outbox: Outbox::new(boot.dynamodb(), outbox),
        clock: Arc::clone(&boot.clock),
        ids: Arc::clone(&boot.ids),
    };
    Ok(shared::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
}

struct Announce {
    answers: Answers,
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl HttpHandler for Announce {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            if !request.caller.is_admin() {
                return Err(Problem::Forbidden("only an admin may do this".to_owned()));
            }
            let body = request.json(MAX_BODY, &["application/json"])?;
            let notice = Notice::parse(&body).map_err(Problem::Invalid)?;
            let body = json!(notice);
            let once = Once::of(&request, FUNCTION.name, body.clone())?;
            let (channel, name, now) =
                (Channel::Announcements, LiveEventName::Announcement, Time::from(self.clock.now()));
            let event = LiveEvent { channel, name, id: self.ids.fresh(), time: now, body };
            let Some(once) = once else {
                self.outbox.put(&event).await?;
                return Ok(Response::json(StatusCode::ACCEPTED, &event.data()));
            };
            let answer = once.answer(StatusCode::ACCEPTED, &event.data(), now);
            let mut backoff = Backoff::until(request.deadline);
            loop {
                if let Some(response) = once.answered(&self.answers).await? {
                    return Ok(response);
                }
                match self.outbox.put_answered(&event, (&self.answers, &answer)).await {
                    Ok(()) => return Ok(Response::json(StatusCode::ACCEPTED, &event.data())),
                    Err(error) if error.may_pass() && backoff.wait().await => {}
                    Err(error) => return Err(error.into()),
                }
            }
        })
    }
}
