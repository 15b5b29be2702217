//! Entity tags ([RFC 9110, section 8.8.3](https://www.rfc-editor.org/rfc/rfc9110#name-etag)).
//!
//! The tag of a document is its version. What is answered beside it (counters, say) may add a part behind a dot, and
//! `If-Match` looks only at the version: counters that move do not stand in the way of editing.

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
