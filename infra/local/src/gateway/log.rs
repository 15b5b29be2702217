//! One log line per request: method, path, caller, status, duration, and the reason of a rejection.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;

use super::answer::Refusal;

/// What is known of a request when it has been answered.
pub(super) struct Entry<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) status: StatusCode,
    pub(super) took: Duration,
    pub(super) who: &'a str,
    /// The id that API Gateway gives the request.
    pub(super) request_id: &'a str,
    /// Why it was rejected, if it was.
    pub(super) refusal: Option<&'a Refusal>,
}

impl Entry<'_> {
    /// Logs it. A server error is logged as an error, with the id that the caller knows.
    pub(super) fn log(&self) {
        let Self { method, path, status, who, .. } = *self;
        let ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        let reason = self.refusal.map(|refusal| refusal.reason.escape_debug().to_string()).unwrap_or_default();
        let request_id = self.refusal.and_then(|refusal| refusal.request_id.as_deref()).unwrap_or(self.request_id);
        let line = format!("{method} {path} {} {ms} ms {who}", status.as_u16());
        let line = if reason.is_empty() { line } else { format!("{line}: {reason}") };
        let method = method.as_str();
        let status = status.as_u16();
        macro_rules! event {
            ($level:ident, $($line:tt)*) => {
                tracing::$level!(
                    target: TARGET, method, path, status, durationMs = ms, who, reason, requestId = request_id, $($line)*
                )
            };
        }
        match status {
            ..400 => event!(info, "{line}"),
            400..500 => event!(warn, "{line}"),
            _ => event!(error, "{line} [{request_id}]"),
        }
    }
}

/// What requests are logged under.
const TARGET: &str = "local::requests";

/// The caller, from the context of the authorizer.
pub(super) fn who(context: Option<&Value>) -> String {
    let field = |name: &str| context.and_then(|context| context.get(name)).and_then(Value::as_str);
    match (field("sub"), field("role")) {
        (Some(sub), Some(role)) => format!("{} ({})", sub.escape_debug(), role.escape_debug()),
        (Some(sub), None) => sub.escape_debug().to_string(),
        (None, _) => "anonymous".to_owned(),
    }
}
