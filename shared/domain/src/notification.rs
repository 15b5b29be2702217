//! Notifications to one user, and announcements to all users.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caller::{Caller, Role};
use super::id::{CourseId, UserId};
use super::string_enum::string_enum;
use super::validation::{Fields, InvalidField, Violations, object, text, title};

string_enum! {
    /// The type of a notice.
    NotificationKind {
        /// Something went well.
        Success = "success",
        /// Something went wrong.
        Error = "error",
        /// Something may go wrong.
        Warning = "warning",
        /// Neither.
        Info = "info",
    }
}

/// The longest link, in characters.
const MAX_LINK: usize = 500;

/// The fields of a notice.
const OF_NOTICES: &[&str] = &["title", "message", "type", "link"];

/// The content of a notification or an announcement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The title.
    pub title: String,
    /// The message.
    pub message: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: NotificationKind,
    /// A link to more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// The other sites that links may lead to: hosts, reached over https, and whole origins; as text, with commas between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkTargets(BTreeSet<String>);

impl FromStr for LinkTargets {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let targets = text.split(',').map(str::trim).filter(|target| !target.is_empty());
        let origin = |target: &str| {
            let origin = if target.contains("://") { target.to_owned() } else { format!("https://{target}") };
            origin.trim_end_matches('/').to_ascii_lowercase()
        };
        Ok(Self(targets.map(origin).collect()))
    }
}

impl LinkTargets {
    /// These and those.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Whether a link leads to one of them.
    fn include(&self, link: &str) -> bool {
        let Some((scheme, rest)) = link.split_once("://") else { return false };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        self.0.contains(&format!("{scheme}://{host}").to_ascii_lowercase())
    }
}

impl Notice {
    fn read(fields: Fields<'_>, targets: &LinkTargets, violations: &mut Violations) -> Option<Self> {
        let named = violations.keep(title(fields));
        let message =
            text(fields, "message").and_then(|text| text.ok_or_else(|| InvalidField::new("message", "is required")));
        let message = violations.keep(message);
        let kind = violations.keep(fields.required("type"));
        let link = violations.keep(link(fields, targets));
        Some(Self { title: named?, message: message?, kind: kind?, link: link? })
    }

    /// Reads an announcement.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value, targets: &LinkTargets) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, OF_NOTICES)?;
        let read = Self::read(fields, targets, &mut violations);
        violations.finish(read)
    }
}

/// A link within the site, or to a trusted site.
fn link(fields: Fields<'_>, targets: &LinkTargets) -> Result<Option<String>, InvalidField> {
    let Some(link) = fields.text("link")? else { return Ok(None) };
    // Browsers read a backslash as a slash anywhere in a link.
    let is_within = link.starts_with('/') && !link.starts_with("//");
    let is_plain = link.chars().count() <= MAX_LINK
        && !link.chars().any(|letter| letter.is_control() || letter.is_whitespace() || letter == '\\');
    if is_plain && (is_within || targets.include(link)) {
        Ok(Some(link.to_owned()))
    } else {
        Err(InvalidField::new(
            "link",
            format!("must be a path that begins with / or a URL of an allowed host, at most {MAX_LINK} characters"),
        ))
    }
}

/// A request to notify a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotification {
    /// The recipient.
    pub to: UserId,
    /// By which course a teacher may; `None`: by any of theirs.
    pub course: Option<CourseId>,
    /// The notice.
    pub notice: Notice,
}

impl NewNotification {
    /// Reads it.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value, targets: &LinkTargets) -> Result<Self, Vec<InvalidField>> {
        let (fields, mut violations) = object(body, &[OF_NOTICES, &["userId", "courseId"]].concat())?;
        let (to, course) = (violations.keep(fields.required("userId")), violations.keep(fields.parsed("courseId")));
        let notice = Notice::read(fields, targets, &mut violations);
        let read = to.zip(course).zip(notice);
        violations.finish(read.map(|((to, course), notice)| Self { to, course, notice }))
    }
}

/// Whether `caller` may send notifications.
#[must_use]
pub const fn may_notify(caller: &Caller) -> bool {
    matches!(caller, Caller::User { role: Role::Admin | Role::Teacher, .. })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rejects_links_to_other_hosts() {
        let targets: LinkTargets = "example.org,http://localhost:5173, https://shop.example:8443/,".parse().unwrap();
        let of = |link: &str| {
            Notice::parse(&json!({"title": "t", "message": "m", "type": "info", "link": link}), &targets).is_ok()
        };
        for link in [
            "/",
            "/student/payments?x=1#y",
            "https://example.org/a",
            "https://EXAMPLE.org",
            "https://example.org?x",
            "http://localhost:5173/x",
            "https://shop.example:8443/",
        ] {
            assert!(of(link), "{link}");
        }
        for link in [
            "",
            "x",
            "//evil.example",
            "/\\evil.example",
            "http://example.org",
            "https://",
            "https:///example.org",
            "https://evil.example",
            "https://example.org.evil.example",
            "https://example.org@evil.example",
            "https://evil.example/https://example.org",
            "https://evil.example\\@example.org",
            "https://example.org:444",
            "http://localhost",
            "javascript:alert(1)",
            "/a b",
            "/\n",
            "https://",
            "https:///path",
            "https://?x",
            "https://#y",
            "https://:443/",
            "https://example.org:x/",
            "https://example.org:70000/",
            "https://bank.example@evil.example/",
            "https://a..b/",
            "https://-a.example/",
            "https://[::1/",
            "https://1.2.3/",
            "https://evil.example\\@x",
            "HTTPS:/example.org",
            &format!("/{}", "x".repeat(500)),
        ] {
            assert!(!of(link), "{link}");
        }
    }
}
