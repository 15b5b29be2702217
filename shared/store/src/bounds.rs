//! The largest items of every kind that grows with what users create are below what DynamoDB takes (`docs/items.md`).

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::contributions::Contribution;
use super::documents::{Version, Versioned};
use super::items::{Item, VERSION, size, to_item};
use super::keys::{self, Key};
use super::sums::Sums;
use domain::calendar::Calendar;
use domain::id::MAX_LENGTH;
use domain::money::Currency;
use domain::package::{MAX_QUIZZES, Package};
use domain::purchase::MAX_ACCEPTED;
use domain::revenue_totals::{RevenueKey, RevenueTotals, TotalsByKey};
use domain::validation::{MAX_TEXT, MAX_TITLE};

/// The largest item.
const MOST: usize = 400 * 1024;

/// A bound of any sum of money and of any count.
const GREAT: i64 = i64::MAX / 2;

/// An item as it is written, with a version.
fn with_version(mut item: Item) -> Item {
    item.insert(VERSION.to_owned(), AttributeValue::S(long(1)));
    item
}

fn long(number: usize) -> String {
    format!("{number:0>MAX_LENGTH$}")
}

fn by_key() -> TotalsByKey {
    let all =
        RevenueTotals { purchases: GREAT, units: GREAT, ended: GREAT, refunds: GREAT, gross: GREAT, refunded: GREAT };
    let letters = || (b'A'..=b'Z').map(char::from);
    let codes = letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}"))));
    let currencies = codes.filter_map(|code| code.parse::<Currency>().ok()).take(MAX_ACCEPTED);
    let mut by_key = TotalsByKey::default();
    for currency in currencies {
        for method in 0..MAX_ACCEPTED {
            let method = format!("{method:032}").parse().unwrap();
            by_key.add(RevenueKey { currency: Some(currency), method }, &all);
        }
    }
    by_key
}

#[test]
fn totals_of_all_currencies_and_methods_fit_into_an_item() {
    let sums = Sums::from(&by_key());
    assert_eq!(sums.iter().count(), MAX_ACCEPTED * MAX_ACCEPTED * 6);
    let key = Key { pk: long(1), sk: long(2) };
    let item = size(&with_version(Contribution::item(&key, Some(&long(4)), &sums)));
    // A buyer's total also has a number for each month with purchases.
    let months = 100 * 12 * "bought#2026-01".len() * 2;
    assert!(item + months < MOST, "{item} + {months}");
}

#[test]
fn largest_package_fits_into_an_item() {
    let package = Package {
        title: "\u{10348}".repeat(MAX_TITLE),
        creator: long(1).parse().unwrap(),
        description: Some("\u{10348}".repeat(MAX_TEXT)),
        price: u64::MAX,
        currency: "USD".parse().unwrap(),
        quizzes: (0..MAX_QUIZZES).map(|quiz| long(quiz).parse().unwrap()).collect(),
    };
    let document = Versioned { version: Version(long(2)), document: package };
    let item = size(&to_item(&keys::package(&long(3).parse().unwrap()), document).unwrap());
    assert!(item < MOST, "{item}");
}

#[test]
fn cohort_of_a_century_fits_into_an_item() {
    let calendar = Calendar::default();
    let mut month = calendar.parse(domain::calendar::Level::Month, "2026-01").unwrap();
    let mut months: BTreeMap<String, i64> = BTreeMap::new();
    for _ in 0..1_200 {
        months.insert(month.to_string(), GREAT);
        month = calendar.next(&month);
    }
    let item = size(&with_version(Contribution::item(&keys::cohort("2026-01"), None, &months.into_iter().collect())));
    assert!(item < MOST, "{item}");
}
