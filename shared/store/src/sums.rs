//! Sums: the numeric attributes of an item, and the codec between them and the figures of the domain.
//!
//! An attribute name begins with what it counts and continues with the keys it is counted by: `likes`, `revenue#USD`,
//! `gross#USD@card`, `payments#approved#-`. An absent sum is 0.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::items::{Item, TTL, number};
use domain::course_stats::{CourseFigures, PaymentSums};
use domain::fold::Fold;
use domain::id::UserId;
use domain::money::Currency;
use domain::product::ProductFigures;
use domain::quiz::QuizFigures;
use domain::revenue_totals::{RevenueKey, RevenueTotals, TotalsByKey};
use domain::sale::SalesFigures;

/// Sums by name; a missing one is 0. In an item, every number but the time to live is a sum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sums(BTreeMap<String, i64>);

impl Sums {
    /// The sums of an item.
    pub(super) fn of(item: &Item) -> Self {
        let names = item.iter().filter(|(name, value)| name.as_str() != TTL && value.is_n()).map(|(name, _)| name);
        names.filter_map(|name| Some((name.clone(), number(item, name)?))).collect()
    }

    /// The sums of several items together.
    pub(super) fn of_all(items: &[Item]) -> Self {
        let mut all = Self::default();
        items.iter().for_each(|item| all.add(&Self::of(item)));
        all
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether all of them are 0.
    pub(super) fn is_zero(&self) -> bool {
        self.0.values().all(|sum| *sum == 0)
    }

    pub(super) fn get(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(name, sum)| (name.as_str(), *sum))
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (name, sum) in other.iter() {
            *self.0.entry(name.to_owned()).or_default() += sum;
        }
    }

    pub(super) fn subtract(&mut self, other: &Self) {
        for (name, sum) in other.iter() {
            *self.0.entry(name.to_owned()).or_default() -= sum;
        }
    }

    /// The sums that are not 0.
    pub(super) fn without_zeros(&self) -> Self {
        self.iter().filter(|(_, sum)| *sum != 0).map(|(name, sum)| (name.to_owned(), sum)).collect()
    }

    /// Writes the sums into an item.
    pub(super) fn write(&self, item: &mut Item) {
        item.extend(self.iter().map(|(name, sum)| (name.to_owned(), AttributeValue::N(sum.to_string()))));
    }
}

impl<N: Into<String>> FromIterator<(N, i64)> for Sums {
    fn from_iter<I: IntoIterator<Item = (N, i64)>>(sums: I) -> Self {
        Self(sums.into_iter().map(|(name, sum)| (name.into(), sum)).collect())
    }
}

impl<N: Into<String>> Extend<(N, i64)> for Sums {
    fn extend<I: IntoIterator<Item = (N, i64)>>(&mut self, sums: I) {
        self.0.extend(sums.into_iter().map(|(name, sum)| (name.into(), sum)));
    }
}

/// A sum that the figures do not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not the name of a sum")]
pub(super) struct UnknownSum(String);

/// A fold that consists of sums, so that its contribution to a parent can be subtracted again.
pub(super) trait Summed: Fold {
    /// The sums of the value.
    fn sums(&self) -> Sums;

    /// The user whose totals the value contributes to, if there is one.
    fn owner(&self) -> Option<&UserId> {
        None
    }
}

impl Summed for QuizFigures {
    fn sums(&self) -> Sums {
        Sums::from(self)
    }
}

impl Summed for ProductFigures {
    fn sums(&self) -> Sums {
        Sums::from(self)
    }

    fn owner(&self) -> Option<&UserId> {
        self.seller.as_ref()
    }
}

impl Summed for SalesFigures {
    fn sums(&self) -> Sums {
        Sums::from(&self.by_key)
    }
}

const ATTEMPTS: &str = "attempts";
const LIKES: &str = "likes";
const RATINGS: &str = "ratings";
const RATING_SUM: &str = "ratingSum";
const SCORE_SUM: &str = "scoreSum";
const UNSCORED: &str = "unscored";

impl From<&QuizFigures> for Sums {
    fn from(figures: &QuizFigures) -> Self {
        Self::from_iter([
            (ATTEMPTS, figures.attempts),
            (LIKES, figures.likes),
            (RATINGS, figures.ratings),
            (RATING_SUM, figures.rating_sum),
            (SCORE_SUM, figures.score_sum),
            (UNSCORED, figures.unscored),
        ])
    }
}

impl From<&Sums> for QuizFigures {
    fn from(sums: &Sums) -> Self {
        Self {
            attempts: sums.get(ATTEMPTS),
            likes: sums.get(LIKES),
            ratings: sums.get(RATINGS),
            rating_sum: sums.get(RATING_SUM),
            score_sum: sums.get(SCORE_SUM),
            unscored: sums.get(UNSCORED),
        }
    }
}

pub(super) const VIEWS: &str = "views";
pub(super) const SALES: &str = "sales";
pub(super) const LISTINGS: &str = "listings";
/// A currency follows.
const REVENUE: &str = "revenue#";

impl From<&ProductFigures> for Sums {
    fn from(figures: &ProductFigures) -> Self {
        let mut sums = Self::from_iter([(VIEWS, figures.views), (SALES, figures.sales), (LISTINGS, figures.listings)]);
        sums.extend(figures.revenue.iter().map(|(currency, sum)| (format!("{REVENUE}{currency}"), *sum)));
        sums
    }
}

impl From<&Sums> for ProductFigures {
    fn from(sums: &Sums) -> Self {
        let revenue = sums.iter().filter(|(_, sum)| *sum != 0);
        let revenue = revenue.filter_map(|(name, sum)| Some((name.strip_prefix(REVENUE)?.parse().ok()?, sum)));
        Self {
            seller: None,
            views: sums.get(VIEWS),
            listings: sums.get(LISTINGS),
            sales: sums.get(SALES),
            revenue: revenue.collect(),
        }
    }
}

/// The attribute names of the totals of a revenue key, which follows behind a `#`.
fn named(totals: &mut RevenueTotals) -> [(&'static str, &mut i64); 6] {
    [
        ("purchases", &mut totals.purchases),
        ("units", &mut totals.units),
        ("ended", &mut totals.ended),
        ("refunds", &mut totals.refunds),
        ("gross", &mut totals.gross),
        ("refunded", &mut totals.refunded),
    ]
}

impl From<&TotalsByKey> for Sums {
    fn from(totals: &TotalsByKey) -> Self {
        let mut sums = Self::default();
        for (key, mut totals) in totals.iter().map(|(key, totals)| (key, *totals)) {
            let named = named(&mut totals).into_iter().filter(|(_, sum)| **sum != 0);
            sums.extend(named.map(|(name, sum)| (format!("{name}#{key}"), *sum)));
        }
        sums
    }
}

impl TryFrom<&Sums> for TotalsByKey {
    type Error = UnknownSum;

    fn try_from(sums: &Sums) -> Result<Self, UnknownSum> {
        let mut by_key: BTreeMap<RevenueKey, RevenueTotals> = BTreeMap::new();
        for (name, sum) in sums.iter() {
            let unknown = || UnknownSum(name.to_owned());
            let (word, key) = name.split_once('#').ok_or_else(unknown)?;
            let totals = by_key.entry(key.parse().map_err(|_| unknown())?).or_default();
            let total = named(totals).into_iter().find_map(|(name, total)| (name == word).then_some(total));
            *total.ok_or_else(unknown)? = sum;
        }
        let mut totals = Self::default();
        by_key.retain(|_, totals| *totals != RevenueTotals::default());
        by_key.into_iter().for_each(|(key, of_key)| totals.add(key, &of_key));
        Ok(totals)
    }
}

const COURSES: &str = "courses";
const ENROLLMENTS: &str = "enrollments";
const SCORES: &str = "scores";
const ATTENDANCE: &str = "attendance";
const PAYMENTS: &str = "payments";
const AMOUNT: &str = "amount";

/// An unknown currency.
const UNKNOWN: &str = "-";

impl From<&CourseFigures> for Sums {
    fn from(figures: &CourseFigures) -> Self {
        let mut sums =
            Self::from_iter([(COURSES, figures.courses), (SCORES, figures.scores), (SCORE_SUM, figures.score_sum)]);
        sums.extend(figures.enrollments.iter().map(|(status, sum)| (format!("{ENROLLMENTS}#{status}"), *sum)));
        sums.extend(figures.attendance.iter().map(|(presence, sum)| (format!("{ATTENDANCE}#{presence}"), *sum)));
        for ((status, currency), PaymentSums { payments, amount }) in &figures.payments {
            let currency = currency.map_or(UNKNOWN, Currency::code);
            sums.extend(
                [(PAYMENTS, payments), (AMOUNT, amount)]
                    .map(|(name, sum)| (format!("{name}#{status}#{currency}"), *sum)),
            );
        }
        sums.without_zeros()
    }
}

impl TryFrom<&Sums> for CourseFigures {
    type Error = UnknownSum;

    fn try_from(sums: &Sums) -> Result<Self, UnknownSum> {
        let mut figures = Self::default();
        for (name, sum) in sums.iter().filter(|(_, sum)| *sum != 0) {
            let unknown = || UnknownSum(name.to_owned());
            let mut words = name.split('#');
            match (words.next().unwrap_or_default(), words.next(), words.next()) {
                (COURSES, None, _) => figures.courses = sum,
                (SCORES, None, _) => figures.scores = sum,
                (SCORE_SUM, None, _) => figures.score_sum = sum,
                (ENROLLMENTS, Some(status), None) => {
                    figures.enrollments.insert(status.parse().map_err(|_| unknown())?, sum);
                }
                (ATTENDANCE, Some(presence), None) => {
                    figures.attendance.insert(presence.parse().map_err(|_| unknown())?, sum);
                }
                (of @ (PAYMENTS | AMOUNT), Some(status), Some(currency)) => {
                    let known = Some(currency).filter(|currency| *currency != UNKNOWN);
                    let currency = known.map(str::parse).transpose().map_err(|_| unknown())?;
                    let paid = figures.payments.entry((status.parse().map_err(|_| unknown())?, currency)).or_default();
                    *if of == PAYMENTS { &mut paid.payments } else { &mut paid.amount } = sum;
                }
                _ => return Err(unknown()),
            }
        }
        Ok(figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::attendance::Presence;
    use domain::course::EnrollmentStatus;
    use domain::payment::PaymentStatus;

    fn sums<const N: usize>(sums: [(&str, i64); N]) -> Sums {
        Sums::from_iter(sums)
    }

    #[test]
    fn every_number_of_an_item_but_its_time_to_live_is_a_sum() {
        let number = |number: &str| AttributeValue::N(number.to_owned());
        let mut item: Item = [("pk", AttributeValue::S("x".to_owned())), ("ttl", number("7")), ("likes", number("-2"))]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        let mut read = Sums::of(&item);
        assert_eq!(read, sums([("likes", -2)]));
        read.subtract(&sums([("likes", -2), ("earned#USD", 5)]));
        assert_eq!(read.without_zeros(), sums([("earned#USD", -5)]));
        read.write(&mut item);
        assert_eq!(Sums::of(&item), read);
    }

    #[test]
    fn names_of_quiz_sums_are_stable() {
        let figures = QuizFigures { attempts: 1, likes: 2, ratings: 3, rating_sum: 4, score_sum: 5, unscored: 6 };
        let expected = [("attempts", 1), ("likes", 2), ("ratings", 3), ("ratingSum", 4), ("scoreSum", 5)];
        let mut expected = sums(expected);
        expected.extend([("unscored", 6)]);
        assert_eq!(Sums::from(&figures), expected);
        expected.extend([("earned#USD", 7)]);
        assert_eq!(QuizFigures::from(&expected), figures);
    }

    #[test]
    fn names_of_product_sums_are_stable() {
        let revenue = [("USD".parse().unwrap(), 4)].into();
        let figures = ProductFigures { seller: None, views: 1, listings: 2, sales: 3, revenue };
        let mut expected = sums([("views", 1), ("listings", 2), ("sales", 3), ("revenue#USD", 4)]);
        assert_eq!(Sums::from(&figures), expected);
        expected.extend([("revenue#EUR", 0), ("revenue#usd", 1), ("other", 1)]);
        assert_eq!(ProductFigures::from(&expected), figures);
    }

    #[test]
    fn names_of_revenue_sums_are_stable() {
        let mut totals = TotalsByKey::default();
        let mut add = |key: &str, of_key| totals.add(key.parse().unwrap(), &of_key);
        add("USD@card", RevenueTotals { purchases: 2, units: 5, gross: 300, ..RevenueTotals::default() });
        add("USD@paypal", RevenueTotals { refunds: 1, refunded: 40, ..RevenueTotals::default() });
        add("-@card", RevenueTotals { purchases: 1, units: 1, ended: 1, refunds: 1, ..RevenueTotals::default() });
        let mut expected = sums([
            ("purchases#USD@card", 2),
            ("units#USD@card", 5),
            ("gross#USD@card", 300),
            ("refunds#USD@paypal", 1),
            ("refunded#USD@paypal", 40),
            ("purchases#-@card", 1),
            ("units#-@card", 1),
            ("ended#-@card", 1),
            ("refunds#-@card", 1),
        ]);
        assert_eq!(Sums::from(&totals), expected);
        expected.extend([("gross#EUR@card", 0)]);
        assert_eq!(TotalsByKey::try_from(&expected), Ok(totals));
        for name in ["", "gross", "gross#USD", "gross#usd@card", "gross#USD@", "net#USD@card", "gross#USD@a b"] {
            assert_eq!(TotalsByKey::try_from(&sums([(name, 1)])), Err(UnknownSum(name.to_owned())));
        }
    }

    #[test]
    fn names_of_course_sums_are_stable() {
        let usd = "USD".parse().unwrap();
        let figures = CourseFigures {
            courses: 2,
            enrollments: [(EnrollmentStatus::Active, 3), (EnrollmentStatus::Dropped, 1)].into(),
            scores: 4,
            score_sum: 150_000_000,
            attendance: [(Presence::Present, 5), (Presence::Excused, 9)].into(),
            payments: [
                ((PaymentStatus::Received, Some(usd)), PaymentSums { payments: 6, amount: 1_998 }),
                ((PaymentStatus::Approved, None), PaymentSums { payments: 7, amount: 0 }),
            ]
            .into(),
        };
        let mut expected = sums([
            ("courses", 2),
            ("enrollments#active", 3),
            ("enrollments#dropped", 1),
            ("scores", 4),
            ("scoreSum", 150_000_000),
            ("attendance#present", 5),
            ("attendance#excused", 9),
            ("payments#received#USD", 6),
            ("amount#received#USD", 1_998),
            ("payments#approved#-", 7),
        ]);
        assert_eq!(Sums::from(&figures), expected);
        expected.extend([("enrollments#completed", 0), ("nonsense", 0)]);
        assert_eq!(CourseFigures::try_from(&expected), Ok(figures));
        for name in
            ["nonsense", "courses#x", "enrollments", "enrollments#asleep", "attendance#late#x", "amount#received"]
        {
            assert_eq!(CourseFigures::try_from(&sums([(name, 1)])), Err(UnknownSum(name.to_owned())));
        }
    }
}
