//! Subjects of the figures that open pages show.

use std::fmt;
use std::str::FromStr;

use super::super::id::{TrackId, UserId};

/// A subject of figures. As text `track:t1`, `seller:s1`, `boards`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A track.
    Track(TrackId),
    /// A seller.
    Seller(UserId),
    /// The boards of the running month.
    Boards,
}

/// A text that is no subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are no numbers of that")]
pub struct InvalidSubject;

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Track(id) => write!(f, "track:{id}"),
            Self::Seller(id) => write!(f, "seller:{id}"),
            Self::Boards => f.write_str("boards"),
        }
    }
}

impl FromStr for Subject {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, InvalidSubject> {
        let found = match text.split_once(':') {
            Some(("track", id)) => id.parse().ok().map(Self::Track),
            Some(("seller", id)) => id.parse().ok().map(Self::Seller),
            None if text == "boards" => Some(Self::Boards),
            _ => None,
        };
        found.ok_or(InvalidSubject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_round_trips_as_text() {
        for text in ["track:t1", "track:a:b", "seller:auth0:7", "boards"] {
            assert_eq!(text.parse::<Subject>().unwrap().to_string(), text);
        }
        for text in ["", "track", "track:", "boards:", "seller:a b", "quiz:q"] {
            assert_eq!(text.parse::<Subject>(), Err(InvalidSubject), "{text}");
        }
    }
}
