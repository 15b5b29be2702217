//! `POST /api/notifications/{notificationId}/read`: the caller has read a notification.

use std::sync::Arc;

use http::StatusCode;
use shared::BoxFuture;
use shared::backoff::Backoff;
use shared::boot::Boot;
use shared::clock::Clock;
use shared::domain::id::NotificationId;
use shared::domain::time::Time;
use shared::function::{Function, Invoke, StartError};
use shared::http::{Access, HttpHandler, Problem, Request, Response, bodies};
use shared::store::{Inbox, Received, StoreError};

/// The function.
pub const FUNCTION: Function = Function { name: "read-notification", start };

fn start(boot: &Boot) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let state = reader.required("STATE_TABLE");
    reader.finish(())?;
    let handler = ReadNotification { inbox: Inbox::new(boot.dynamodb(), state), clock: Arc::clone(&boot.clock) };
    Ok(shared::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
}

struct ReadNotification {
    inbox: Inbox,
    clock: Arc<dyn Clock>,
}

impl HttpHandler for ReadNotification {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let (user, id) = (request.user()?, request.path::<NotificationId>("notificationId")?);
            let now = Time::from(self.clock.now());
            let mut backoff = Backoff::until(request.deadline);
            loop {
                let held = self.inbox.notification(user, &id).await?;
                let held = held.ok_or_else(|| Problem::NotFound(format!("there is no notification {id}")))?;
                if held.read_at.is_some() {
                    return Ok(Response::json(StatusCode::OK, &bodies::notification(&held)));
                }
                match self.inbox.read(user, &held, now).await {
                    Ok(()) => {
                        let read = Received { read_at: Some(now), ..held };
                        return Ok(Response::json(StatusCode::OK, &bodies::notification(&read)));
                    }
                    Err(StoreError::Conflict) if backoff.wait().await => {}
                    Err(error) => return Err(error.into()),
                }
            }
        })
    }
}
