//! Entity tags ([RFC 9110, section 8.8.3](https://www.rfc-editor.org/rfc/rfc9110#name-etag)).
//!
//! The strong tag of a document is its version. An answer that says more than the document does (counters that move, the time
//! at which it was read) has a weak tag of its own, and names the version in its body: the version is what `If-Match` takes.

use super::problem::Problem;
use super::request::Request;
use store::Version;

/// An entity tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    opaque: String,
    is_weak: bool,
}

impl Tag {
    /// The tag of answers that are the same to the byte.
    #[must_use]
    pub fn strong(opaque: impl Into<String>) -> Self {
        Self { opaque: opaque.into(), is_weak: false }
    }

    /// The tag of an answer that says more than a document of this version does. It begins with the version, so that
    /// `If-None-Match` of a change knows the version by it.
    pub(super) fn of_more(version: Option<&Version>, digest: &str) -> Self {
        let version = version.map(|version| version.0.as_str()).unwrap_or_default();
        Self::weak(format!("{version}.{digest}"))
    }

    fn is_of(&self, version: &Version) -> bool {
        self.opaque.split('.').next() == Some(version.0.as_str())
    }

    /// The tag of answers that say the same, but are not the same to the byte.
    #[must_use]
    pub fn weak(opaque: impl Into<String>) -> Self {
        Self { opaque: opaque.into(), is_weak: true }
    }
}

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\"{}\"", if self.is_weak { "W/" } else { "" }, self.opaque)
    }
}

/// The value of an `If-Match` or `If-None-Match` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tags {
    /// `*`: anything there is.
    Any,
    /// One of these.
    Listed(Vec<Tag>),
}

/// A text that is no list of entity tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be * or a list of entity tags such as \"abc\" or W/\"abc\"")]
pub(super) struct InvalidTags;

impl Tags {
    pub(super) fn parse(header: &str) -> Result<Self, InvalidTags> {
        let mut rest = header.trim();
        if rest == "*" {
            return Ok(Self::Any);
        }
        let mut tags = Vec::new();
        loop {
            // RFC 9110, section 5.6.1: empty elements of a list are passed over.
            rest = rest.trim_start_matches([',', ' ', '\t']);
            if rest.is_empty() {
                return if tags.is_empty() { Err(InvalidTags) } else { Ok(Self::Listed(tags)) };
            }
            let (is_weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |quoted| (true, quoted));
            let (opaque, behind) = quoted.strip_prefix('"').and_then(|text| text.split_once('"')).ok_or(InvalidTags)?;
            let is_opaque = opaque.bytes().all(|byte| byte == 0x21 || (0x23..=0x7e).contains(&byte));
            rest = behind.trim_start_matches([' ', '\t']);
            if !is_opaque || !(rest.is_empty() || rest.starts_with(',')) {
                return Err(InvalidTags);
            }
            tags.push(Tag { opaque: opaque.to_owned(), is_weak });
        }
    }

    /// Whether this tag is among them, compared as `If-None-Match` compares: whether one of them is weak says nothing
    /// ([RFC 9110, section 13.1.2](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2)).
    #[must_use]
    pub(super) fn include_weakly(&self, tag: &Tag) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|listed| listed.opaque == tag.opaque),
        }
    }

    /// Whether a tag of this version of a document is among them, be it of the document or of an answer that says more.
    fn include_version(&self, version: &Version) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|tag| tag.is_of(version)),
        }
    }

    /// Whether this tag is among them, compared as `If-Match` compares: a weak tag is never the same as another
    /// ([RFC 9110, section 13.1.1](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1)).
    #[must_use]
    pub(super) fn include_strongly(&self, tag: &Tag) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|listed| !listed.is_weak && listed == tag),
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
        let headers = request.headers();
        Self { if_match: headers.if_match.clone(), if_none_match: headers.if_none_match.clone() }
    }

    /// Checks them against the version of the stored document; `None` means that there is no document.
    ///
    /// # Errors
    /// [`Problem::PreconditionFailed`] if one does not hold.
    pub fn check(&self, stored: Option<&Version>) -> Result<(), Problem> {
        if self.hold(stored) { Ok(()) } else { Err(Problem::PreconditionFailed) }
    }

    fn hold(&self, stored: Option<&Version>) -> bool {
        let is_wanted = |tags: &Tags| stored.is_some_and(|version| tags.include_strongly(&Tag::strong(&*version.0)));
        let is_unwanted = |tags: &Tags| stored.is_some_and(|version| tags.include_version(version));
        self.if_match.as_ref().is_none_or(is_wanted) && !self.if_none_match.as_ref().is_some_and(is_unwanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_compares_strongly_and_if_none_match_weakly() {
        let (strong, weak) = (Tag::strong("a"), Tag::weak("a"));
        assert_eq!((strong.to_string().as_str(), weak.to_string().as_str()), ("\"a\"", "W/\"a\""));
        for (header, tag, strongly, weakly) in [
            ("\"a\"", &strong, true, true),
            ("W/\"a\"", &strong, false, true),
            ("\"a\"", &weak, false, true),
            ("W/\"a\"", &weak, false, true),
            ("\"b\", ,\t\"a\" ,", &strong, true, true),
            ("\"b\",W/\"c,d\"", &strong, false, false),
            (" * ", &weak, true, true),
        ] {
            let tags = Tags::parse(header).unwrap();
            assert_eq!((tags.include_strongly(tag), tags.include_weakly(tag)), (strongly, weakly), "{header} {tag}");
        }
    }

    #[test]
    fn a_change_is_made_of_a_strong_tag_and_refused_for_any_tag_of_the_version() {
        let version = Version("v".to_owned());
        let holds = |if_match: Option<&str>, if_none_match: Option<&str>| {
            let read = |header: Option<&str>| header.map(|header| Tags::parse(header).unwrap());
            Preconditions { if_match: read(if_match), if_none_match: read(if_none_match) }.hold(Some(&version))
        };
        assert!(holds(None, None) && holds(Some("\"v\""), None) && holds(Some("*"), None));
        for weak in ["W/\"v\"", "W/\"v.1\"", "\"v.1\"", "\"w\""] {
            assert!(!holds(Some(weak), None), "{weak}");
        }
        for tag in ["\"v\"", "W/\"v\"", "W/\"v.1\"", "*"] {
            assert!(!holds(None, Some(tag)), "{tag}");
        }
        assert!(holds(None, Some("W/\"w.1\"")));
    }

    #[test]
    fn what_is_no_list_of_tags_is_an_error_and_no_empty_list() {
        for header in
            ["", ",", "a", "\"a", "a\"", "\"a\" \"b\"", "\"a\"b", "w/\"a\"", "W/", "*,\"a\"", "\"a b\"", "'a'"]
        {
            assert_eq!(Tags::parse(header), Err(InvalidTags), "{header}");
        }
        assert_eq!(Tags::parse("\"\""), Ok(Tags::Listed(vec![Tag::strong("")])));
    }
}
