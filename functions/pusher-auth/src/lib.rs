//! `POST /api/pusher/auth`: lets a page listen to a channel that is not everybody's.

use domain::id::CourseId;
use domain::live::{Audience, Channel, InvalidChannel, SocketId};
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response};
use runtime::pusher::{self, PusherConfig};
use serde_json::{Map, Value, json};
use store::Courses;

/// The function.
pub const FUNCTION: Function = Function { name: "pusher-auth", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 4 * 1024;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| PusherAuth {
        courses: Courses::open(setup),
        keys: pusher::keys(setup),
    })
}

struct PusherAuth {
    courses: Courses,
    /// Nothing, where live updates are off.
    keys: Option<PusherConfig>,
}

/// The channel that a page wants to join.
struct ChannelRequest {
    socket: SocketId,
    /// As it is to be signed.
    name: String,
    channel: Channel,
}

fn text(form: &Map<String, Value>, field: &'static str) -> Result<String, Problem> {
    let text = form.get(field).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| Problem::Malformed(format!("{field} is required")))
}

impl ChannelRequest {
    /// What is no request of this protocol is malformed, and gets no signature.
    fn parse(request: &Request) -> Result<Self, Problem> {
        let form = request.form(MAX_BODY).map_err(|problem| match problem {
            Problem::TooLarge { limit } => Problem::Malformed(format!("the body has more than {limit} bytes")),
            problem => problem,
        })?;
        let (socket, name) = (text(&form, "socket_id")?, text(&form, "channel_name")?);
        let socket = socket.parse().map_err(|error| Problem::Malformed(format!("socket_id {error}")))?;
        let channel = name.parse::<Channel>().map_err(|error| match error {
            InvalidChannel::NoName => Problem::Malformed(format!("channel_name {error}")),
            InvalidChannel::Unknown => Problem::Forbidden(error.to_string()),
        })?;
        Ok(Self { socket, name, channel })
    }
}

impl PusherAuth {
    async fn may_listen(&self, request: &Request, channel: &Channel) -> Result<bool, Problem> {
        let user = request.user()?;
        Ok(match channel.audience() {
            Audience::SignedIn => true,
            Audience::Person(person) => user == person,
            Audience::Admins => request.caller.is_admin(),
            Audience::Teacher(course) => request.caller.is_admin() || self.teaches(request, course).await?,
            Audience::Course(course) => {
                request.caller.is_admin() || self.teaches(request, course).await? || self.takes(request, course).await?
            }
            // Nobody is asked who listens there.
            Audience::Everybody => false,
        })
    }

    async fn teaches(&self, request: &Request, course: &CourseId) -> Result<bool, Problem> {
        let course = self.courses.course(course).await?;
        Ok(course.is_some_and(|course| request.caller.user() == Some(&course.document.teacher)))
    }

    async fn takes(&self, request: &Request, course: &CourseId) -> Result<bool, Problem> {
        let enrollment = self.courses.enrollment(course, request.user()?).await?;
        Ok(enrollment.is_some_and(|enrollment| enrollment.document.status.takes_part()))
    }
}

impl HttpHandler for PusherAuth {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let asked = ChannelRequest::parse(&request)?;
            let off = || Problem::NotFound("live updates are disabled in this deployment".to_owned());
            let keys = self.keys.as_ref().ok_or_else(off)?;
            if !self.may_listen(&request, &asked.channel).await? {
                return Err(Problem::Forbidden("the caller may not subscribe to this channel".to_owned()));
            }
            let user = request.user()?;
            let name = || request.caller_name().unwrap_or_else(|| user.to_string());
            let member = || json!({"user_id": user, "user_info": {"id": user, "name": name()}}).to_string();
            let data = asked.channel.has_presence().then(member);
            let credentials = keys.credentials().await.map_err(|_| Problem::Unavailable)?;
            let auth = credentials.subscription(&asked.socket, &asked.name, data.as_deref());
            let mut body = json!({"auth": auth.ok_or(Problem::Internal)?});
            if let (Some(body), Some(data)) = (body.as_object_mut(), data) {
                body.insert("channel_data".to_owned(), Value::from(data));
            }
            Ok(Response::json(StatusCode::OK, &body))
        })
    }
}
