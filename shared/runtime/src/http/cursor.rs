//! Cursors: the opaque position at which a list continues.

use std::fmt;
use std::str::FromStr;

use super::digest::digest;
use super::problem::Problem;
use super::request::QueryReader;
use domain::caller::Caller;
use domain::validation::InvalidField;

/// The most items of a page.
const MAX_LIMIT: usize = 100;

/// The items of a page if the query has no limit.
const DEFAULT_LIMIT: usize = 20;

/// The number of items of a page: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(usize);

impl Limit {
    /// The number of items.
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

/// The place after which a list continues, bound to that list and to the caller who received it. A cursor grants nothing: a
/// caller who forges one continues a list that they may read, at a place of their choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    after: String,
    seal: u64,
}

const FOREIGN: &str = "must be a cursor that this list returned";

fn seal(caller: &Caller, scope: &str, after: &str) -> u64 {
    digest(&[caller.user().map_or("", |user| user.as_str()), scope, after])
}

impl Cursor {
    /// A caller's cursor after this place in a list; `scope` names the list with all its filters.
    #[must_use]
    pub fn new(caller: &Caller, scope: &str, after: &str) -> Self {
        Self { after: after.to_owned(), seal: seal(caller, scope, after) }
    }

    /// The place after which the list continues.
    ///
    /// # Errors
    /// The cursor is of another list or caller, or was changed.
    pub fn after<T: FromStr>(&self, caller: &Caller, scope: &str) -> Result<T, Problem> {
        let is_ours = self.seal == seal(caller, scope, &self.after);
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

/// The parameters `limit` and `cursor` of a query.
#[derive(Debug)]
pub struct Paging {
    limit: Limit,
    cursor: Option<Cursor>,
}

impl Paging {
    /// Reads both parameters.
    pub fn read(query: &mut QueryReader<'_>) -> Self {
        Self { limit: query.one("limit").unwrap_or_default(), cursor: query.one("cursor") }
    }

    /// The page of a caller's list; `scope` names the list with all its filters.
    ///
    /// # Errors
    /// The cursor is of another list or caller, or was changed.
    pub fn of(self, caller: &Caller, scope: String) -> Result<ListPage<'_>, Problem> {
        let after = self.cursor.map(|cursor| cursor.after(caller, &scope)).transpose()?;
        Ok(ListPage { caller, scope, limit: self.limit, after })
    }
}

/// A page of a caller's list.
#[derive(Debug)]
pub struct ListPage<'a> {
    caller: &'a Caller,
    scope: String,
    limit: Limit,
    after: Option<String>,
}

impl ListPage<'_> {
    /// The place after which the page begins; `None` for the first page.
    #[must_use]
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// The most items of the page.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.items()
    }

    /// The cursor of the next page, which begins after this place; `None` after the last page.
    #[must_use]
    pub fn cursor(&self, next: Option<&str>) -> Option<String> {
        next.map(|next| Cursor::new(self.caller, &self.scope, next).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::caller::Role;

    fn caller(user: &str) -> Caller {
        Caller::User { id: user.parse().unwrap(), role: Role::Artist }
    }

    #[test]
    fn rejects_cursor_of_another_list_and_changed_cursor() {
        let ann = caller("ann");
        let text = Cursor::new(&ann, "packages of ann", "p:1").to_string();
        let after = |text: &str, scope: &str| text.parse().map(|cursor: Cursor| cursor.after::<String>(&ann, scope));
        assert_eq!(after(&text, "packages of ann").unwrap().unwrap(), "p:1");
        assert!(after(&text, "packages of bob").unwrap().is_err());
        let last = if text.ends_with('1') { '2' } else { '1' };
        let changed = format!("{}{last}", &text[..text.len() - 1]);
        assert!(after(&changed, "packages of ann").unwrap().is_err());
        for text in
            ["", "x", "zz", "0123456789abcdef0", "0123456789abcdefzz", "0123456789abcde\u{e9}", "+123456789abcdef+1"]
        {
            assert!(!matches!(after(text, "packages of ann"), Ok(Ok(_))), "{text}");
        }
    }

    #[test]
    fn rejects_cursor_of_another_caller() {
        let cursor = Cursor::new(&caller("ann"), "board views all", "p:1");
        assert_eq!(cursor.after::<String>(&caller("ann"), "board views all").unwrap(), "p:1");
        for other in [caller("bob"), Caller::Anonymous] {
            assert!(cursor.after::<String>(&other, "board views all").is_err(), "{other:?}");
        }
        let public = Cursor::new(&Caller::Anonymous, "board views all", "p:1");
        assert!(public.after::<String>(&Caller::Anonymous, "board views all").is_ok());
    }

    #[test]
    fn cursor_stays_valid_across_releases() {
        let cursor = Cursor::new(&caller("ann"), "packages of ann", "p:1");
        assert_eq!(cursor.to_string(), "b79d893b90de1f07703a31");
    }

    #[test]
    fn limit_is_from_1_to_100() {
        assert_eq!("100".parse::<Limit>().unwrap().items(), 100);
        assert_eq!(Limit::default().items(), 20);
        for text in ["0", "101", "-1", "1.5", "", "x"] {
            assert!(text.parse::<Limit>().is_err(), "{text}");
        }
    }
}
