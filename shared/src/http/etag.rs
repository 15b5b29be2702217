//! Entity tags ([RFC 9110, section 8.8.3](https://www.rfc-editor.org/rfc/rfc9110#name-etag)).
//!
//! The tag of a document is its version. What is answered beside it (counters, say) may add a part behind a dot, and
//! `If-Match` looks only at the version: counters that move do not stand in the way of editing.

use http::header;

use super::request::Request;
use crate::store::Version;

/// The value of an `If-Match` or `If-None-Match` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tags {
    /// `*`: anything there is.
    Any,
    /// One of these.
    Listed(Vec<String>),
}

impl Tags {
    pub(super) fn parse(header: &str) -> Self {
        if header.trim() == "*" {
            return Self::Any;
        }
        let tags = header.split(',').map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned());
        Self::Listed(tags.filter(|tag| !tag.is_empty()).collect())
    }

    /// Whether exactly this tag is among them.
    #[must_use]
    pub fn include(&self, tag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|listed| listed == tag),
        }
    }

    /// Whether a tag of this version of a document is among them.
    #[must_use]
    pub fn include_version(&self, version: &Version) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|tag| tag.split('.').next() == Some(version.0.as_str())),
        }
    }
}

/// What a caller wants to hold before a document is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preconditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

impl Preconditions {
    /// Those of a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        Self { if_match: request.tags(&header::IF_MATCH), if_none_match: request.tags(&header::IF_NONE_MATCH) }
    }

    /// Whether they hold for the document of this version, or for there being none.
    #[must_use]
    pub fn hold(&self, held: Option<&Version>) -> bool {
        let is_among = |tags: &Tags| held.is_some_and(|version| tags.include_version(version));
        self.if_match.as_ref().is_none_or(is_among) && !self.if_none_match.as_ref().is_some_and(is_among)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists_weak_tags_and_the_star() {
        let tags = Tags::parse("\"a\", W/\"b.7\" ,");
        assert!(tags.include("a") && tags.include("b.7") && !tags.include("b"));
        assert!(tags.include_version(&Version("b".to_owned())) && !tags.include_version(&Version("c".to_owned())));
        assert!(Tags::parse(" * ").include("anything"));
        assert_eq!(Tags::parse(""), Tags::Listed(vec![]));
    }
}
