//! Purchases and refunds, as the API takes them.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Days, NaiveTime, SecondsFormat, Utc};
use serde::Serialize;

use super::reading::{Buyer, Entry, Kind};
use crate::play::hash;

/// Hexadecimal digits of a key: 128 bits.
const KEY_LENGTH: usize = 32;

/// Everything to be sent, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Orders {
    /// The purchase.
    pub purchases: Vec<Purchase>,
    /// Its refunds.
    pub refunds: Vec<Refund>,
}

/// A purchase.
#[derive(Debug, Clone, PartialEq)]
pub struct Purchase {
    /// The line of the file that it comes from.
    pub line: usize,
    /// Hash of the line and its number.
    pub key: String,
    /// The body of the request.
    pub order: Order,
}

/// A refund of one of the purchases.
#[derive(Debug, Clone, PartialEq)]
pub struct Refund {
    /// The line of the file that it comes from.
    pub line: usize,
    /// Hash of the line and its number.
    pub key: String,
    /// The purchase, by its place among them.
    pub purchase: usize,
    /// The body of the request.
    pub order: RefundOrder,
}

/// The body of a request to buy.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Always `product`.
    pub item_type: &'static str,
    /// The stock code's id.
    pub item_id: String,
    /// Pence, for all of them.
    pub amount: u64,
    /// Always `GBP`.
    pub currency: &'static str,
    /// The quantity.
    pub quantity: u64,
    /// Always `card`; the file does not contain it.
    pub payment_method: &'static str,
    /// RFC 3339, in UTC.
    pub purchased_at: String,
    /// The customer, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The invoice, if there is no customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_id: Option<String>,
    /// Where it comes from.
    pub metadata: BTreeMap<&'static str, String>,
}

/// The body of a request to give back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundOrder {
    /// Pence.
    pub amount: u64,
    /// RFC 3339, in UTC.
    pub refunded_at: String,
}

impl Orders {
    /// The orders of these entries.
    #[must_use]
    pub fn of(entries: &[Entry]) -> Self {
        let Some(first) = entries.iter().map(|entry| entry.time).min() else { return Self::default() };
        let before = first.with_time(NaiveTime::MIN).single().and_then(|day| day.checked_sub_days(Days::new(1)));
        let before = before.unwrap_or(first);
        let mut orders = Self::default();
        let mut sold = HashMap::<_, Vec<Sold>>::new();
        for entry in entries {
            let alike = sold.entry((&entry.buyer, &entry.item, &entry.price)).or_default();
            match entry.kind {
                Kind::Purchase => {
                    alike.push(Sold { place: orders.purchases.len(), time: entry.time, left: entry.pence });
                    let from = [("invoice", entry.invoice.clone()), ("line", entry.number.to_string())];
                    orders.purchases.push(purchase(entry, "purchase", entry.time, from.into()));
                }
                Kind::Refund => {
                    let enough = |sold: &&mut Sold| sold.time <= entry.time && sold.left >= entry.pence;
                    let place = if let Some(sold) = alike.iter_mut().rev().find(enough) {
                        sold.left -= entry.pence;
                        sold.place
                    } else {
                        let from = [("opening", "true".to_owned())];
                        orders.purchases.push(purchase(entry, "opening", before, from.into()));
                        orders.purchases.len() - 1
                    };
                    orders.refunds.push(refund(entry, place));
                }
            }
        }
        orders
    }

    /// Purchases that lie before the file.
    #[must_use]
    pub fn openings(&self) -> usize {
        self.purchases.iter().filter(|purchase| purchase.order.metadata.contains_key("opening")).count()
    }
}

/// The remaining quantity of a sale.
struct Sold {
    place: usize,
    time: DateTime<Utc>,
    left: u64,
}

fn purchase(entry: &Entry, kind: &str, time: DateTime<Utc>, metadata: BTreeMap<&'static str, String>) -> Purchase {
    let (user_id, guest_id) = match &entry.buyer {
        Buyer::User(id) => (Some(id.clone()), None),
        Buyer::Guest(id) => (None, Some(id.clone())),
    };
    let order = Order {
        item_type: "product",
        item_id: entry.item.clone(),
        amount: entry.pence,
        currency: "GBP",
        quantity: entry.quantity,
        payment_method: "card",
        purchased_at: written(time),
        user_id,
        guest_id,
        metadata,
    };
    Purchase { line: entry.number, key: key(entry, kind), order }
}

fn refund(entry: &Entry, purchase: usize) -> Refund {
    let order = RefundOrder { amount: entry.pence, refunded_at: written(entry.time) };
    Refund { line: entry.number, key: key(entry, "refund"), purchase, order }
}

fn key(entry: &Entry, kind: &str) -> String {
    hash(&[kind, &entry.number.to_string(), &entry.text], KEY_LENGTH)
}

fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::retail::reading::read;

    /// Invoice, code, quantity, time of December, price, customer.
    fn orders(lines: &[(&str, &str, i64, &str, &str, &str)]) -> Orders {
        let lines = lines.iter().map(|(invoice, code, quantity, time, price, customer)| {
            format!("{invoice},{code},{quantity},2010-12-{time},{price},{customer}\n")
        });
        let text =
            format!("InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID\n{}", lines.collect::<String>());
        let invoices = read(&text).unwrap();
        assert_eq!((invoices.left_out, invoices.unreadable), (vec![], vec![]));
        Orders::of(&invoices.entries)
    }

    /// The purchase of each refund, and how much of it.
    fn given_back(orders: &Orders) -> Vec<(usize, u64)> {
        orders.refunds.iter().map(|refund| (refund.purchase, refund.order.amount)).collect()
    }

    #[test]
    fn an_order_says_what_the_line_says_and_always_the_same() {
        let lines = [("1", "a b", 6, "01 08:26:00", "2.55", "17850.0"), ("2", "c", 1, "02 09:00:00", "1.0", "")];
        let told = orders(&lines);
        assert_eq!(
            serde_json::to_value(&told.purchases[0].order).unwrap(),
            json!({
                "itemType": "product", "itemId": "a:20b", "amount": 1530, "currency": "GBP", "quantity": 6,
                "paymentMethod": "card", "purchasedAt": "2010-12-01T08:26:00.000Z", "userId": "17850",
                "metadata": {"invoice": "1", "line": "2"},
            })
        );
        assert_eq!(
            serde_json::to_value(&told.purchases[1].order).unwrap(),
            json!({
                "itemType": "product", "itemId": "c", "amount": 100, "currency": "GBP", "quantity": 1,
                "paymentMethod": "card", "purchasedAt": "2010-12-02T09:00:00.000Z", "guestId": "2",
                "metadata": {"invoice": "2", "line": "3"},
            })
        );
        assert_eq!(orders(&lines), told);
    }

    #[test]
    fn a_refund_is_of_the_latest_earlier_purchase_that_holds_it() {
        let told = orders(&[
            ("1", "a", 5, "01 08:00:00", "2.0", "7.0"),
            ("2", "a", 2, "01 09:00:00", "2.0", "7.0"),
            ("C3", "a", -2, "01 10:00:00", "2.0", "7.0"),
            ("C4", "a", -3, "01 11:00:00", "2.00", "7.0"),
            ("C5", "a", -2, "01 12:00:00", "2.0", "7.0"),
        ]);
        assert_eq!((given_back(&told), told.openings()), (vec![(1, 400), (0, 600), (0, 400)], 0));
        assert_eq!(told.refunds[0].order.refunded_at, "2010-12-01T10:00:00.000Z");
    }

    #[test]
    fn what_is_not_in_the_file_was_bought_the_day_before_it() {
        let told = orders(&[
            ("C1", "a", -1, "03 10:00:00", "2.0", "7.0"),
            ("2", "a", 1, "03 11:00:00", "2.0", "7.0"),
            ("C3", "b", -1, "03 12:00:00", "2.0", "7.0"),
            ("C4", "a", -1, "03 12:00:00", "2.5", "7.0"),
            ("C5", "a", -1, "03 12:00:00", "2.0", "8.0"),
            ("C6", "a", -2, "03 12:00:00", "2.0", "7.0"),
            ("C7", "a", -1, "03 10:30:00", "2.0", "7.0"),
            ("C8", "a", -1, "03 12:00:00", "2.0", "7.0"),
            ("C9", "a", -1, "03 12:00:00", "2.0", ""),
        ]);
        let places: Vec<usize> = told.refunds.iter().map(|refund| refund.purchase).collect();
        assert_eq!(places, [0, 2, 3, 4, 5, 6, 1, 7], "one too early, one of another item, price or buyer, one of more");
        assert_eq!(told.openings(), 7);
        let opening = &told.purchases[5];
        assert_eq!(
            serde_json::to_value(&opening.order).unwrap(),
            json!({
                "itemType": "product", "itemId": "a", "amount": 400, "currency": "GBP", "quantity": 2,
                "paymentMethod": "card", "purchasedAt": "2010-12-02T00:00:00.000Z", "userId": "7",
                "metadata": {"opening": "true"},
            })
        );
        assert_eq!((opening.line, told.refunds[4].line), (7, 7));
        assert_eq!(told.purchases[7].order.guest_id.as_deref(), Some("C9"));
    }

    #[test]
    fn every_order_has_a_key_of_its_own() {
        let lines = [
            ("1", "a", 1, "01 08:00:00", "2.0", "7.0"),
            ("1", "a", 1, "01 08:00:00", "2.0", "7.0"),
            ("C1", "b", -1, "01 08:00:00", "2.0", "7.0"),
            ("C1", "b", -1, "01 08:00:00", "2.0", "7.0"),
        ];
        let told = orders(&lines);
        let purchases = told.purchases.iter().map(|purchase| &purchase.key);
        let keys: BTreeSet<&String> = purchases.chain(told.refunds.iter().map(|refund| &refund.key)).collect();
        assert_eq!(keys.len(), 6, "{keys:?}");
        assert!(keys.iter().all(|key| key.len() == KEY_LENGTH));
        // A longer file gives the same orders for its first lines.
        let longer = orders(&[&lines[..], &[("2", "c", 1, "02 08:00:00", "2.0", "")]].concat());
        assert_eq!((&longer.purchases[..4], &longer.refunds), (&told.purchases[..], &told.refunds));
        assert_eq!(Orders::of(&[]), Orders::default());
    }
}
