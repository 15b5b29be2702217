//! Documents that are listed under several keys, written together, and pages of lists.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::documents::{Version, Versioned};
use super::error::StoreError;
use super::items::{Item, from_item, text, to_item};
use super::keys::{Key, SK};
use super::table::{KeyRange, Table};
use super::transaction::{Condition, Transaction};

/// The longest place in a list, in characters.
const MAX_PLACE: usize = 256;

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// The entries.
    pub items: Vec<T>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// A part of a partition, its order, and the cursor to continue from.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListQuery<'a> {
    pub(super) prefix: &'a str,
    pub(super) newest_first: bool,
    pub(super) after: Option<&'a str>,
    pub(super) count: usize,
}

/// Puts a document in place of the stored one, and copies of it under the keys where it is listed.
pub(super) fn put_listed<T: Serialize>(
    transaction: &mut Transaction,
    table: &str,
    (key, listed): (&Key, &[Key]),
    document: &Versioned<T>,
    stored: Option<&Version>,
) -> Result<(), StoreError> {
    let condition = Condition::unchanged(stored.map(|stored| stored.0.clone()));
    transaction.put(table, to_item(key, document)?, Some(condition))?;
    listed.iter().try_for_each(|key| transaction.put(table, to_item(key, document)?, None))
}

impl ListQuery<'_> {
    /// The cursor, if it is a place in this list; an invalid cursor starts from the beginning.
    fn place(&self) -> Option<&str> {
        let is_plain =
            |place: &&str| place.len() <= MAX_PLACE && place.bytes().all(|byte| (b' '..b'~').contains(&byte));
        self.after.filter(is_plain).filter(|place| place.starts_with(self.prefix) && *place != self.prefix)
    }
}

impl Table {
    /// The items of a page by sort key, and whether more follow; eventually consistent.
    pub(super) async fn listed(
        &self,
        pk: String,
        query: ListQuery<'_>,
    ) -> Result<(Vec<(String, Item)>, bool), StoreError> {
        let mut range = KeyRange::with_prefix(pk, query.prefix);
        let after = query.place();
        match after {
            Some(after) if query.newest_first => after.clone_into(&mut range.to),
            Some(after) => after.clone_into(&mut range.from),
            None => {}
        }
        // The last entry of the page before, and one more to know whether another page follows.
        let limit = i32::try_from(query.count + 2).unwrap_or(i32::MAX);
        let items = self.query_page(&range, limit, query.newest_first).await?;
        let placed = items.into_iter().map(|item| (text(&item, SK).unwrap_or_default().to_owned(), item));
        let mut placed: Vec<(String, Item)> = placed.filter(|(place, _)| Some(place.as_str()) != after).collect();
        let goes_on = placed.len() > query.count;
        placed.truncate(query.count);
        Ok((placed, goes_on))
    }

    /// A page of a list; eventually consistent.
    pub(super) async fn page<T: DeserializeOwned>(
        &self,
        pk: String,
        query: ListQuery<'_>,
    ) -> Result<Listing<T>, StoreError> {
        let (placed, goes_on) = self.listed(pk, query).await?;
        page(placed, goes_on)
    }
}

/// A page of these items.
pub(super) fn page<T: DeserializeOwned>(placed: Vec<(String, Item)>, goes_on: bool) -> Result<Listing<T>, StoreError> {
    let next = placed.last().map(|(place, _)| place.clone()).filter(|_| goes_on);
    let items: Result<Vec<T>, StoreError> = placed.into_iter().map(|(_, item)| from_item(item)).collect();
    Ok(Listing { items: items?, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_cursors_of_other_lists() {
        let place = |after: &str| {
            ListQuery { prefix: "AT#", newest_first: false, after: Some(after), count: 1 }.place().map(str::to_owned)
        };
        assert_eq!(place("AT#x").as_deref(), Some("AT#x"));
        let long = format!("AT#{}", "x".repeat(300));
        for foreign in ["", "AT#", "DOC", "A", "AT#~", "AT#\u{e9}", "AT#\n", &long] {
            assert_eq!(place(foreign), None, "{foreign}");
        }
    }
}
