//! Keys of the revenue of all items by day and month, and of its rankings.

use super::{CONTRIBUTIONS, ForeignKey, ItemKey, Key, item, parse_item, rollups_of};
use domain::calendar::{Level, Period};
use domain::purchase::{Item, ItemType};
use domain::revenue_totals::Ranking;

/// The partition of what all items brought in.
pub const REVENUE: &str = "REVENUE";

/// A period with the letter of its level.
pub(super) fn named(period: &Period) -> String {
    format!("{}{period}", rollups_of(period.level()))
}

/// The revenue of all items of a type in a period.
#[must_use]
pub fn revenue(period: &Period, of: ItemType) -> Key {
    Key { pk: REVENUE.to_owned(), sk: format!("{}#{}", named(period), of.to_string().to_ascii_uppercase()) }
}

/// The item type and the period name of a revenue row.
///
/// # Errors
/// If the key is no such key.
pub fn parse_revenue(level: Level, sk: &str) -> Result<(String, ItemType), ForeignKey> {
    let (period, word) = sk.strip_prefix(rollups_of(level)).and_then(|rest| rest.split_once('#')).ok_or(ForeignKey)?;
    let kind = ItemType::ALL.iter().copied().find(|kind| kind.to_string().to_ascii_uppercase() == word);
    Ok((period.to_owned(), kind.ok_or(ForeignKey)?))
}

/// The buyers of a period.
#[must_use]
pub fn buyers_in(period: &Period) -> Key {
    Key { pk: REVENUE.to_owned(), sk: format!("U#{}", named(period)) }
}

/// The partition of what each item brought in, in a period.
#[must_use]
pub fn revenue_in(period: &Period) -> String {
    format!("{REVENUE}#{}", named(period))
}

/// The contribution of an item to the revenue of a period.
#[must_use]
pub fn revenue_of(period: &Period, item: &Item) -> Key {
    Key { pk: revenue_in(period), sk: format!("{CONTRIBUTIONS}{}", ItemKey(item)) }
}

/// The item that contributes, by the sort key of what it does.
///
/// # Errors
/// If the key is no such key.
pub fn parse_revenue_of(sk: &str) -> Result<Item, ForeignKey> {
    parse_item(sk.strip_prefix(CONTRIBUTIONS).ok_or(ForeignKey)?)
}

/// The item of a place in any ranking.
///
/// # Errors
/// If the key is no such key.
pub fn parse_place(sk: &str) -> Result<Item, ForeignKey> {
    let (rest, id) = sk.rsplit_once('#').ok_or(ForeignKey)?;
    let (_, word) = rest.rsplit_once('#').ok_or(ForeignKey)?;
    item(word, id)
}

/// The prefix of the sort keys of a ranking.
#[must_use]
pub fn ranked_by(ranking: Ranking) -> String {
    match ranking {
        Ranking::Purchases => "N#".to_owned(),
        Ranking::Net(currency) => format!("R#{currency}#"),
    }
}

/// The place of an item in a list of a period: greater values sort first.
#[must_use]
pub fn ranked(period: &Period, ranking: Ranking, value: i64, item: &Item) -> Key {
    let sorted = i128::from(i64::MAX) - i128::from(value);
    Key { pk: revenue_in(period), sk: format!("{}{sorted:020}#{}", ranked_by(ranking), ItemKey(item)) }
}

/// The value and the item of a place in a list.
///
/// # Errors
/// If the key is no such key.
pub fn parse_ranked(ranking: Ranking, sk: &str) -> Result<(i64, Item), ForeignKey> {
    let rest = sk.strip_prefix(&ranked_by(ranking)).ok_or(ForeignKey)?;
    let (sorted, item) = rest.split_once('#').ok_or(ForeignKey)?;
    let sorted: i128 = sorted.parse().map_err(|_| ForeignKey)?;
    let value = i64::try_from(i128::from(i64::MAX) - sorted).map_err(|_| ForeignKey)?;
    Ok((value, parse_item(item)?))
}
