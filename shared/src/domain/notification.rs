//! Notifications, which a person has until they are read and after it, and announcements, which everybody hears once.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::caller::{Caller, Role};
use super::fields::{Fields, Invalid, Wrong, object, text, title};
use super::id::UserId;
use super::words::words;

words! {
    /// How it is meant.
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

/// What somebody is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Its title.
    pub title: String,
    /// What it says.
    pub message: String,
    /// How it is meant.
    #[serde(rename = "type")]
    pub kind: NotificationKind,
    /// Where there is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

impl Notice {
    fn read(fields: Fields<'_>, wrong: &mut Wrong) -> Option<Self> {
        let named = wrong.keep(title(fields));
        let message =
            text(fields, "message").and_then(|text| text.ok_or_else(|| Invalid::new("message", "is missing")));
        let message = wrong.keep(message);
        let kind = wrong.keep(fields.required("type"));
        let link = wrong.keep(link(fields));
        Some(Self { title: named?, message: message?, kind: kind?, link: link? })
    }

    /// Reads what is announced.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<Invalid>> {
        let fields = object(body)?;
        let mut wrong = Wrong::default();
        Self::read(fields, &mut wrong).ok_or_else(|| wrong.into())
    }
}

/// A link within the site, or to another.
fn link(fields: Fields<'_>) -> Result<Option<String>, Invalid> {
    let Some(link) = fields.text("link")? else { return Ok(None) };
    let is_within = link.starts_with('/') && !link.starts_with("//") && !link.contains('\\');
    let is_plain = link.chars().count() <= MAX_LINK && !link.chars().any(|letter| letter.is_control() || letter == ' ');
    if is_plain && (is_within || link.starts_with("https://")) {
        Ok(Some(link.to_owned()))
    } else {
        Err(Invalid::new(
            "link",
            format!("must be a path that begins with / or an https URL, at most {MAX_LINK} characters"),
        ))
    }
}

/// What somebody wants somebody else to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotification {
    /// Whom.
    pub to: UserId,
    /// What.
    pub notice: Notice,
}

impl NewNotification {
    /// Reads it.
    ///
    /// # Errors
    /// Every field that is missing or wrong.
    pub fn parse(body: &Value) -> Result<Self, Vec<Invalid>> {
        let fields = object(body)?;
        let mut wrong = Wrong::default();
        let to = wrong.keep(fields.required("userId"));
        match (to, Notice::read(fields, &mut wrong)) {
            (Some(to), Some(notice)) => Ok(Self { to, notice }),
            _ => Err(wrong.into()),
        }
    }
}

/// Whether `caller` may tell people something.
#[must_use]
pub const fn may_notify(caller: &Caller) -> bool {
    matches!(caller, Caller::User { role: Role::Admin | Role::Teacher, .. })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn links_stay_within_the_site_or_are_secure() {
        let of =
            |link: &str| Notice::parse(&json!({"title": "t", "message": "m", "type": "info", "link": link})).is_ok();
        for link in ["/", "/student/payments?x=1#y", "https://example.org/a"] {
            assert!(of(link), "{link}");
        }
        for link in [
            "",
            "x",
            "//evil.example",
            "/\\evil.example",
            "http://example.org",
            "javascript:alert(1)",
            "/a b",
            "/\n",
            &format!("/{}", "x".repeat(500)),
        ] {
            assert!(!of(link), "{link}");
        }
    }
}
