//! Cursors: where a list goes on, said so that nobody needs to know how.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;

use super::problem::Problem;
use domain::validation::InvalidField;

/// The most that one page of a list holds.
const MAX_LIMIT: usize = 100;

/// How many a page holds where nothing is said.
const DEFAULT_LIMIT: usize = 20;

/// How many a page holds: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(usize);

impl Limit {
    /// How many.
    #[must_use]
    pub fn items(self) -> usize {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(DEFAULT_LIMIT)
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
        limit.map(Self).ok_or_else(|| format!("must be a whole number from 1 to {MAX_LIMIT}"))
    }
}

/// A cursor: the place behind which a list goes on, bound to the list it came with. It gives nobody a right: whoever makes
/// one up goes on in a list that they may read, at a place of their choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    after: String,
    seal: u64,
}

/// What is wrong with a cursor, whatever is.
const FOREIGN: &str = "must be a cursor that this list returned";

fn seal(scope: &str, after: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (scope, after).hash(&mut hasher);
    hasher.finish()
}

impl Cursor {
    /// Behind this place in a list; `scope` names the list with all its filters.
    #[must_use]
    pub fn new(scope: &str, after: &str) -> Self {
        Self { after: after.to_owned(), seal: seal(scope, after) }
    }

    /// The place behind which the list goes on.
    ///
    /// # Errors
    /// If the cursor is another list's, or was changed.
    pub fn after<T: FromStr>(&self, scope: &str) -> Result<T, Problem> {
        let is_ours = self.seal == seal(scope, &self.after);
        let after = self.after.parse().ok().filter(|_| is_ours);
        after.ok_or_else(|| Problem::query(InvalidField::new("cursor", FOREIGN)))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.seal)?;
        self.after.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if !text.is_ascii() || !text.len().is_multiple_of(2) {
            return Err(FOREIGN);
        }
        let (seal, after) = text.split_at_checked(16).ok_or(FOREIGN)?;
        let seal = u64::from_str_radix(seal, 16).map_err(|_| FOREIGN)?;
        let bytes = after.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).map_err(|_| FOREIGN)?;
            u8::from_str_radix(pair, 16).map_err(|_| FOREIGN)
        });
        let after = String::from_utf8(bytes.collect::<Result<_, _>>()?).map_err(|_| FOREIGN)?;
        Ok(Self { after, seal })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_list_alone() {
        let text = Cursor::new("packages of ann", "p:1").to_string();
        let cursor: Cursor = text.parse().unwrap();
        assert_eq!(cursor.after::<String>("packages of ann").unwrap(), "p:1");
        assert!(cursor.after::<String>("packages of bob").is_err());
        let last = if text.ends_with('1') { '2' } else { '1' };
        let changed = format!("{}{last}", &text[..text.len() - 1]);
        assert!(changed.parse::<Cursor>().is_ok_and(|cursor| cursor.after::<String>("packages of ann").is_err()));
        for text in
            ["", "x", "zz", "0123456789abcdef0", "0123456789abcdefzz", "0123456789abcde\u{e9}", "+123456789abcdef+1"]
        {
            let after = text.parse::<Cursor>().map(|cursor| cursor.after::<String>("packages of ann"));
            assert!(!matches!(after, Ok(Ok(_))), "{text}");
        }
    }

    #[test]
    fn a_limit_is_from_1_to_100() {
        assert_eq!("100".parse::<Limit>().unwrap().items(), 100);
        assert_eq!(Limit::default().items(), 20);
        for text in ["0", "101", "-1", "1.5", "", "x"] {
            assert!(text.parse::<Limit>().is_err(), "{text}");
        }
    }
}
