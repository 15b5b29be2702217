//! Compares the answers of SQL and the API for some days.

use std::collections::BTreeMap;
use std::fmt;

use super::answer::{Analytics, Item, List, Money};
use super::sql::{Days, Error, Sums, Tables};

/// The tolerance of averages, because decimal fractions are not exact.
const ROUNDING: f64 = 1e-6;

/// The currency of all invoices.
const CURRENCY: &str = "GBP";

/// The expected values of some days, by SQL.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// The days.
    pub days: Days,
    /// All of them.
    pub sums: Sums,
    /// Each of them.
    pub calendar: Vec<String>,
    /// Those of them on which something happened.
    pub by_day: BTreeMap<String, Sums>,
    /// The same of the months that these days lie in.
    pub by_month: BTreeMap<String, Sums>,
    /// Buyers of one month's cohort who bought in another.
    pub cohorts: BTreeMap<String, u64>,
    /// Every item to which something happened.
    pub by_item: BTreeMap<String, Sums>,
    /// The most purchases of one item, the greatest number first.
    pub most_purchases: Vec<u64>,
    /// The most that one item brought in, the greatest number first.
    pub most_revenue: Vec<i64>,
}

/// A difference between the API and the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The request.
    pub subject: String,
    /// Which part of the answer.
    pub what: String,
    /// The value of SQL.
    pub expected: String,
    /// The value of the API.
    pub found: String,
}

impl Expected {
    /// The values of SQL for these days.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn of(tables: &Tables, days: Days) -> Result<Self, Error> {
        Ok(Self {
            sums: tables.sums(&days)?,
            calendar: tables.calendar(&days)?,
            by_day: tables.by_day(&days)?,
            by_month: tables.by_month(&days)?,
            cohorts: tables.cohorts(&days)?,
            by_item: tables.by_item(&days)?,
            most_purchases: tables.most_purchases(&days)?,
            most_revenue: tables.most_revenue(&days)?,
            days,
        })
    }

    /// The number of expected purchases and refunds that an answer counts.
    #[must_use]
    pub fn counted(&self, found: &Analytics) -> u64 {
        let refunds = found.currencies.iter().map(|money| money.total_refunds).sum::<u64>();
        found.purchases.min(self.sums.purchases) + refunds.min(self.sums.refund_count)
    }

    /// Where an answer is another one.
    #[must_use]
    pub fn differences(&self, found: &Analytics) -> Vec<Difference> {
        let mut differences = Differences::of(&self.days);
        differences.sums("", &self.sums, (found.purchases, found.units, Some(found.ended)), &found.currencies);
        differences.same("buyers", &self.sums.buyers, &found.buyers.count);
        differences.same("buyers, exact", &true, &found.buyers.exact);
        self.parts(&mut differences, found);
        let purchases = |item: &Item| item.purchases;
        self.list("top by purchases", &mut differences, &self.most_purchases, Some(&found.top.by_purchases), purchases);
        let net = |item: &Item| item.currencies.iter().filter_map(|money| money.net).sum();
        self.list("top by revenue", &mut differences, &self.most_revenue, found.top.by_revenue.as_ref(), net);
        self.times(&mut differences, found);
        differences.found
    }

    /// Compares the breakdowns by type and by payment; each adds up to the total.
    fn parts(&self, differences: &mut Differences, found: &Analytics) {
        let share = (self.sums.purchases > 0).then_some(100.0);
        let types: Vec<_> = found.item_types.iter().map(|of| of.item_type.as_str()).collect();
        differences.same("types", &vec!["product"], &types);
        for of in &found.item_types {
            differences.same("share of products", &share, &of.share);
            differences.sums("products", &self.sums, (of.purchases, of.units, None), &of.currencies);
        }
        let methods: Vec<_> = found.payment_methods.iter().map(|of| of.payment_method.as_str()).collect();
        differences.same("payment methods", &vec!["card"], &methods);
        for of in &found.payment_methods {
            differences.same("share of cards", &share, &of.share);
            differences.sums("by card", &self.sums, (of.purchases, of.units, None), &of.currencies);
        }
    }

    /// Compares months, days and cohorts.
    fn times(&self, differences: &mut Differences, found: &Analytics) {
        let mut months: Vec<_> = self.calendar.iter().map(|day| day.get(..7).unwrap_or_default()).rev().collect();
        months.dedup();
        let found_months: Vec<_> = found.months.iter().map(|of| of.month.as_str()).collect();
        differences.same("months, the newest first", &months, &found_months);
        for of in &found.months {
            let expected = self.by_month.get(&of.month).copied().unwrap_or_default();
            differences.sums(&of.month, &expected, (of.purchases, of.units, Some(of.ended)), &of.currencies);
        }

        differences.same("interval", &"day", &found.series.interval.as_str());
        let points = &found.series.points;
        let days: Vec<&str> = points.iter().map(|point| point.from.get(..10).unwrap_or_default()).collect();
        differences.same("days", &self.calendar.iter().map(String::as_str).collect(), &days);
        for (day, point) in days.into_iter().zip(points) {
            let expected = self.by_day.get(day).copied().unwrap_or_default();
            differences.sums(day, &expected, (point.purchases, point.units, Some(point.ended)), &point.currencies);
        }

        let mut cohorts = BTreeMap::new();
        for of in &found.cohorts {
            let later = of.later.iter().map(|later| (&later.month, later.buyers));
            for (month, buyers) in later.chain([(&of.month, of.buyers)]).filter(|(_, buyers)| *buyers > 0) {
                *cohorts.entry(format!("{} {month}", of.month)).or_default() += buyers;
            }
        }
        differences.same("buyers by the months in which they began and bought", &self.cohorts, &cohorts);
    }

    /// Compares a list: its values, and those of each item in it.
    fn list<T: PartialEq + fmt::Debug>(
        &self,
        what: &str,
        differences: &mut Differences,
        expected: &Vec<T>,
        found: Option<&List>,
        value: impl Fn(&Item) -> T,
    ) {
        let Some(found) = found else { return differences.same(what, &Some(expected), &None) };
        differences.same(&format!("{what}, exact"), &true, &found.exact);
        differences.same(what, expected, &found.items.iter().map(value).collect());
        for item in &found.items {
            differences.same(&format!("{what}, type"), &"product", &item.item_type.as_str());
            let sums = self.by_item.get(&item.item_id).copied().unwrap_or_default();
            let what = format!("{what}, {}", item.item_id);
            differences.sums(&what, &sums, (item.purchases, item.units, None), &item.currencies);
        }
    }
}

/// Differences that were found so far.
pub(super) struct Differences {
    subject: String,
    /// The differences.
    pub(super) found: Vec<Difference>,
}

impl Differences {
    /// None yet.
    pub(super) fn of(subject: &dyn fmt::Display) -> Self {
        Self { subject: subject.to_string(), found: Vec::new() }
    }

    pub(super) fn same<T: PartialEq + fmt::Debug>(&mut self, what: &str, expected: &T, found: &T) {
        if expected != found {
            let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
            self.found.push(Difference { subject: self.subject.clone(), what: what.to_owned(), expected, found });
        }
    }

    /// Compares sums; where nothing was paid or given back, there may be no money.
    fn sums(&mut self, of: &str, expected: &Sums, (purchases, units, ended): (u64, u64, Option<u64>), money: &[Money]) {
        let name = |what: &str| if of.is_empty() { what.to_owned() } else { format!("{of}: {what}") };
        self.same(&name("purchases"), &expected.purchases, &purchases);
        self.same(&name("units"), &expected.units, &units);
        if let Some(ended) = ended {
            self.same(&name("ended"), &expected.ended, &ended);
        }
        let currencies: Vec<_> = money.iter().map(|money| money.currency.as_deref()).collect();
        let is_idle = expected.purchases == 0 && expected.refund_count == 0;
        let foreseen = if is_idle && currencies.is_empty() { vec![] } else { vec![Some(CURRENCY)] };
        self.same(&name("currencies"), &foreseen, &currencies);
        for found in money {
            self.same(&name("paid purchases"), &expected.purchases, &found.purchases);
            self.same_if_known(&name("gross"), expected.gross, found.gross);
            self.same_if_known(&name("refunds"), expected.refunds, found.refunds);
            self.same(&name("totalRefunds"), &expected.refund_count, &found.total_refunds);
            self.same_if_known(&name("net"), expected.net, found.net);
            let is_near = match (expected.average_order, found.average_order) {
                (Some(expected), Some(found)) => (expected - found).abs() < ROUNDING,
                (expected, found) => expected == found,
            };
            if !is_near {
                self.same(&name("averageOrder"), &expected.average_order, &found.average_order);
            }
        }
    }

    /// Compares what the API may not know with what SQL knows.
    fn same_if_known<T: PartialEq + fmt::Debug>(&mut self, what: &str, expected: T, found: Option<T>) {
        match found {
            Some(found) => self.same(what, &expected, &found),
            None => self.same(what, &Some(expected), &None),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(in crate::retail) const FILE: &str = "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID
1,a,5,2010-12-01 08:00:00,2.1,7.0
1,a,1,2010-12-01 08:00:00,2.1,7.0
1,b,1,2010-12-01 08:00:00,31.5,7.0
C2,a,-5,2010-12-03 09:00:00,2.1,7.0
";

    fn money(purchases: u64, gross: i64, refunds: i64, count: u64) -> Value {
        #[allow(clippy::cast_precision_loss, reason = "small numbers")]
        let average = (purchases > 0).then(|| gross as f64 / purchases as f64);
        json!([{
            "currency": "GBP", "purchases": purchases, "gross": gross, "refunds": refunds, "net": gross - refunds,
            "totalRefunds": count, "averageOrder": average,
        }])
    }

    fn item(id: &str, (purchases, units): (u64, u64), currencies: &Value) -> Value {
        json!({
            "itemType": "product", "itemId": id, "purchases": purchases, "units": units, "currencies": currencies,
        })
    }

    /// The expected answer for the days of that file, and as many days after them.
    pub(in crate::retail) fn answer(idle: u32) -> Value {
        let all = money(3, 4_410, 1_050, 1);
        let a = item("a", (2, 6), &money(2, 1_260, 1_050, 1));
        let b = item("b", (1, 1), &money(1, 3_150, 0, 0));
        let point = |day: u32, purchases, units, ended, currencies| {
            json!({
                "from": format!("2010-12-{day:02}T00:00:00.000Z"), "purchases": purchases, "units": units,
                "ended": ended, "currencies": currencies,
            })
        };
        let points = [
            point(1, 3, 7, 0, money(3, 4_410, 0, 0)),
            point(2, 0, 0, 0, json!([])),
            point(3, 0, 0, 1, money(0, 0, 1_050, 1)),
        ];
        let after = (4..4 + idle).map(|day| point(day, 0, 0, 0, json!([])));
        let points: Vec<Value> = points.into_iter().chain(after).collect();
        json!({
            "purchases": 3, "units": 7, "ended": 1, "buyers": {"count": 1, "exact": true}, "currencies": all,
            "itemTypes": [{"itemType": "product", "purchases": 3, "units": 7, "share": 100.0, "currencies": all}],
            "paymentMethods": [{"paymentMethod": "card", "purchases": 3, "units": 7, "share": 100.0, "currencies": all}],
            "top": {
                "byPurchases": {"exact": true, "items": [a, b]},
                "byRevenue": {"exact": true, "items": [b, a]},
            },
            "months": [{"month": "2010-12", "purchases": 3, "units": 7, "ended": 1, "currencies": all}],
            "series": {"interval": "day", "points": points},
            "cohorts": [{"month": "2010-12", "buyers": 1, "later": []}],
        })
    }

    fn expected() -> Expected {
        let days = Days { from: "2010-12-01".to_owned(), to: "2010-12-03".to_owned() };
        Expected::of(&Tables::of(FILE).unwrap(), days).unwrap()
    }

    fn differences(answer: &Value) -> Vec<Difference> {
        expected().differences(&serde_json::from_value(answer.clone()).unwrap())
    }

    /// The JSON pointers of everything in a value that has no parts.
    fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, of)| leaves(of, &format!("{path}/{name}"), found)),
            Value::Array(of) => of.iter().enumerate().for_each(|(at, of)| leaves(of, &format!("{path}/{at}"), found)),
            _ => found.push(path.to_owned()),
        }
    }

    #[test]
    fn no_number_may_be_another_one() {
        let answer = answer(0);
        assert_eq!(differences(&answer), []);
        let mut paths = Vec::new();
        leaves(&answer, "", &mut paths);
        assert!(paths.len() > 80, "{}", paths.len());
        for path in paths {
            let mut wrong = answer.clone();
            let leaf = wrong.pointer_mut(&path).unwrap();
            *leaf = match leaf.clone() {
                Value::Number(number) if number.is_f64() => json!(number.as_f64().unwrap() + 0.01),
                Value::Number(number) => json!(number.as_i64().unwrap() + 1),
                Value::Bool(is) => json!(!is),
                Value::Null => json!(1.5),
                Value::String(text) => json!(text.replace("GBP", "USD").replace(['a', 'b', 'd', '-', 'p'], "x")),
                other => panic!("{other}"),
            };
            assert_ne!(differences(&wrong), [], "{path}");
        }
    }

    #[test]
    fn nothing_may_be_missing_or_too_much() {
        let lists = [
            "/currencies",
            "/itemTypes",
            "/paymentMethods",
            "/paymentMethods/0/currencies",
            "/top/byPurchases/items",
            "/top/byRevenue/items",
            "/months",
            "/series/points",
            "/series/points/2/currencies",
            "/cohorts",
        ];
        for path in lists {
            let mut wrong = answer(0);
            let list = wrong.pointer_mut(path).unwrap().as_array_mut().unwrap();
            let last = list.pop().unwrap();
            assert_ne!(differences(&wrong), [], "{path}");
            let list = wrong.pointer_mut(path).unwrap().as_array_mut().unwrap();
            list.extend([last.clone(), last]);
            assert_ne!(differences(&wrong), [], "{path}");
        }
        let mut without = answer(0);
        without["top"]["byRevenue"] = Value::Null;
        assert_eq!(differences(&without)[0].what, "top by revenue");
    }

    #[test]
    fn equals_may_stand_in_any_order() {
        let file = format!("{FILE}1,b,1,2010-12-01 08:00:00,0.0,7.0\n");
        let days = Days { from: "2010-12-01".to_owned(), to: "2010-12-03".to_owned() };
        let expected = Expected::of(&Tables::of(&file).unwrap(), days).unwrap();
        let found: Analytics = serde_json::from_value(answer(0)).unwrap();
        let of_list = |found: &List| {
            let mut differences = Differences { subject: String::new(), found: Vec::new() };
            expected.list("list", &mut differences, &expected.most_purchases, Some(found), |item| item.purchases);
            differences.found
        };
        let mut list = found.top.by_purchases;
        list.items[1].purchases = 2;
        list.items[1].units = 2;
        list.items[1].currencies[0].purchases = 2;
        list.items[1].currencies[0].average_order = Some(1_575.0);
        assert_eq!(of_list(&list), []);
        list.items.reverse();
        assert_eq!(of_list(&list), []);
    }
}
