//! Boards: sellers in order of what they sold, of who looked at their products, and of what they were paid; and products in
//! order of who looked at them.

use std::fmt;
use std::str::FromStr;

use super::calendar::{Calendar, Level, Period};
use super::id::{ProductId, UserId};
use super::money::Currency;
use super::product::ProductFigures;
use super::time::Time;

/// By what sellers are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// By sales that were not undone.
    Sales,
    /// By distinct viewers of each of their products in each month.
    Views,
    /// By what things were sold for in a currency, in minor units.
    Revenue(Currency),
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sales => f.write_str("SALES"),
            Self::Views => f.write_str("VIEWS"),
            Self::Revenue(currency) => write!(f, "REVENUE.{currency}"),
        }
    }
}

/// The ranked values of these figures; a value of 0 has no rank.
#[must_use]
pub fn values(figures: &ProductFigures) -> Vec<(Metric, u64)> {
    let revenue = figures.revenue.iter().map(|(currency, sum)| (Metric::Revenue(*currency), *sum));
    let all = [(Metric::Sales, figures.sales), (Metric::Views, figures.views)].into_iter().chain(revenue);
    all.filter_map(|(metric, value)| Some((metric, u64::try_from(value).ok().filter(|value| *value > 0)?))).collect()
}

/// The time that a board is of: a month of UTC, or all. As text `2026-01`, `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Season {
    /// A month.
    Month(Period),
    /// All times.
    All,
}

impl fmt::Display for Season {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Month(month) => month.fmt(f),
            Self::All => f.write_str("all"),
        }
    }
}

/// A text that is no season.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a month such as 2026-01, or all")]
pub struct InvalidSeason;

impl FromStr for Season {
    type Err = InvalidSeason;

    fn from_str(text: &str) -> Result<Self, InvalidSeason> {
        match text {
            "all" => Ok(Self::All),
            // Years without four digits do not sort in chronological order.
            month if month.len() == "2026-01".len() => {
                Calendar::default().parse(Level::Month, month).map(Self::Month).map_err(|_| InvalidSeason)
            }
            _ => Err(InvalidSeason),
        }
    }
}

impl Season {
    /// The running month.
    #[must_use]
    pub fn running(now: Time) -> Self {
        Self::Month(Calendar::default().period(Level::Month, now))
    }

    /// When another month's board begins, if this is the running one.
    #[must_use]
    pub fn next_reset(&self, now: Time) -> Option<Time> {
        match self {
            Self::Month(month) if month.contains(now) => Some(month.end()),
            Self::Month(_) | Self::All => None,
        }
    }
}

/// A board: its entrants, its metric and its season.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Board {
    /// Sellers.
    Sellers(Metric, Season),
    /// Products, by distinct viewers in each month.
    Products(Season),
}

impl Board {
    /// The metric.
    #[must_use]
    pub const fn metric(&self) -> Metric {
        match self {
            Self::Sellers(metric, _) => *metric,
            Self::Products(_) => Metric::Views,
        }
    }

    /// Whether the board has ranks, which need a count of entrants by value.
    #[must_use]
    pub const fn has_ranks(&self) -> bool {
        matches!(self, Self::Sellers(..))
    }
}

/// An entrant of a board.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entrant {
    /// A seller.
    Seller(UserId),
    /// A product of a seller.
    Product(ProductId, UserId),
}

impl Entrant {
    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Seller(seller) => seller.as_str(),
            Self::Product(product, _) => product.as_str(),
        }
    }

    /// The boards of a season that it is on with these figures, and what it has there.
    #[must_use]
    pub fn places(&self, figures: &ProductFigures, season: Season) -> Vec<(Board, u64)> {
        let board = |metric| match (self, metric) {
            (Self::Seller(_), metric) => Some(Board::Sellers(metric, season)),
            (Self::Product(..), Metric::Views) => Some(Board::Products(season)),
            (Self::Product(..), _) => None,
        };
        values(figures).into_iter().filter_map(|(metric, value)| Some((board(metric)?, value))).collect()
    }
}

/// The node that all paths begin with.
pub const ROOT: &str = "#";

/// The number of values of a digit.
const BASE: u64 = 64;

/// The path of a value in the tree that counts entrants by value: first the number of digits, then each digit. Each
/// step is a node and the number under which the value counts there.
///
/// A greater value has more digits, or the same number and a greater digit at the first difference. So the nodes on the
/// path of a value suffice to count the greater ones.
#[must_use]
pub fn path(value: u64) -> Vec<(String, u8)> {
    let mut digits = Vec::new();
    let mut left = value;
    while left > 0 {
        digits.push(u8::try_from(left % BASE).unwrap_or_default());
        left /= BASE;
    }
    digits.reverse();
    let length = u8::try_from(digits.len()).unwrap_or_default();
    let mut node = format!("{length:02}");
    let mut path = vec![(ROOT.to_owned(), length)];
    for digit in digits {
        path.push((node.clone(), digit));
        node = format!("{node}.{digit:02}");
    }
    path
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn path_of_a_value_counts_greater_values() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut value = || {
            let bits = random.u32(1..50);
            1 + random.u64(0..1 << bits)
        };
        let values: Vec<u64> = (0..2_000).map(|_| value()).collect();
        let mut nodes: BTreeMap<String, BTreeMap<u8, u64>> = BTreeMap::new();
        for (node, place) in values.iter().flat_map(|value| path(*value)) {
            *nodes.entry(node).or_default().entry(place).or_default() += 1;
        }
        for value in values.iter().take(300).copied().chain([1, 63, 64, 4_095, 4_096, u64::MAX]) {
            let told: u64 = path(value)
                .into_iter()
                .map(|(node, place)| {
                    nodes.get(&node).map_or(0, |node| node.range(place + 1..).map(|(_, count)| count).sum())
                })
                .sum();
            assert_eq!(told, values.iter().filter(|other| **other > value).count() as u64, "{value}");
        }
        assert_eq!(path(1).len(), 2);
        assert_eq!(path(u64::MAX).len(), 12);
    }

    #[test]
    fn season_is_a_month_or_all_time() {
        for text in ["2026-01", "all"] {
            assert_eq!(text.parse::<Season>().unwrap().to_string(), text);
        }
        for text in ["", "ALL", "2026", "2026-13", "2026-1", "02026-01", "+2026-01", "2026-01-01"] {
            assert_eq!(text.parse::<Season>(), Err(InvalidSeason), "{text}");
        }
        let now = "2026-01-31T23:59:59.999Z".parse().unwrap();
        let running = Season::running(now);
        assert_eq!(running.next_reset(now).unwrap().to_string(), "2026-02-01T00:00:00.000Z");
        assert_eq!(Season::All.next_reset(now), None);
        assert_eq!("2025-12".parse::<Season>().unwrap().next_reset(now), None);
    }
}
