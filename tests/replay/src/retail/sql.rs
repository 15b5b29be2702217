//! The expected answers of the API, computed from the file by SQL.
//!
//! Architecture invariant: this module uses nothing of `reading` and `orders`, and no number of it is reckoned in Rust;
//! what these read wrongly must not be expected just as wrongly here. `schema.sql` defines each number.

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::{Connection, Params, Row, params, params_from_iter};

/// Columns of the raw file, by their names in it.
const COLUMNS: [&str; 6] = ["InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"];

const SUMS: &str = "COALESCE(SUM(purchases), 0), COALESCE(SUM(units), 0), COALESCE(SUM(gross), 0),
    COALESCE(SUM(refund_count), 0), COALESCE(SUM(refunds), 0), COALESCE(SUM(gross) - SUM(refunds), 0),
    COALESCE(SUM(ended), 0), COUNT(DISTINCT iif(purchases > 0, buyer, NULL)),
    CAST(SUM(gross) AS REAL) / NULLIF(SUM(purchases), 0)";

/// Totals of purchases; money is in pence.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    /// The number of purchases.
    pub purchases: u64,
    /// The quantity.
    pub units: u64,
    /// The gross amount.
    pub gross: u64,
    /// The number of refunds.
    pub refund_count: u64,
    /// The refunded amount.
    pub refunds: u64,
    /// The net amount.
    pub net: i64,
    /// Fully refunded purchases.
    pub ended: u64,
    /// The number of buyers.
    pub buyers: u64,
    /// The average amount per purchase; `None` without purchases.
    pub average_order: Option<f64>,
}

/// The totals of a buyer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bought {
    /// The number of purchases.
    pub purchases: u64,
    /// The quantity.
    pub units: u64,
    /// The gross amount, in pence.
    pub paid: u64,
    /// The refunded amount, in pence.
    pub given_back: u64,
}

/// First day and last day, both of them `YYYY-MM-DD` and part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Days {
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.to)
    }
}

impl Days {
    /// Every day.
    #[must_use]
    pub fn all() -> Self {
        Self { from: "0000-01-01".to_owned(), to: "9999-12-31".to_owned() }
    }
}

/// A file, as tables.
pub struct Tables(Connection);

/// The file cannot be read as tables.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It lacks a column.
    #[error("there is no column {0}")]
    Column(&'static str),
    /// It has no lines of fields.
    #[error(transparent)]
    Malformed(#[from] csv::Error),
    /// SQLite does not do it.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
}

impl Tables {
    /// Reads a file.
    ///
    /// # Errors
    /// It is no list of invoices.
    pub fn of(text: &str) -> Result<Self, Error> {
        let mut database = Connection::open_in_memory()?;
        let mut file = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let header: Vec<String> = file.headers()?.iter().map(|name| name.trim().to_owned()).collect();
        let mut places = Vec::new();
        for name in COLUMNS {
            places.push(header.iter().position(|column| column == name).ok_or(Error::Column(name))?);
        }

        let columns = COLUMNS.map(|name| format!("{name} TEXT")).join(", ");
        database.execute_batch(&format!("CREATE TABLE raw (line INTEGER PRIMARY KEY, {columns})"))?;
        let insertion = database.transaction()?;
        {
            let mut insert =
                insertion.prepare(&format!("INSERT INTO raw ({}) VALUES (?, ?, ?, ?, ?, ?)", COLUMNS.join(", ")))?;
            for record in file.records() {
                let record = record?;
                insert.execute(params_from_iter(places.iter().map(|place| record.get(*place))))?;
            }
        }
        insertion.commit()?;
        database.execute_batch(include_str!("schema.sql"))?;
        Ok(Self(database))
    }

    /// The totals of these days.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn sums(&self, days: &Days) -> Result<Sums, Error> {
        let query = format!("SELECT '', {SUMS} FROM facts WHERE day BETWEEN ?1 AND ?2");
        Ok(self.0.query_row(&query, params![days.from, days.to], named)?.1)
    }

    /// The totals of each of these days with activity.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn by_day(&self, days: &Days) -> Result<BTreeMap<String, Sums>, Error> {
        let query = format!("SELECT day, {SUMS} FROM facts WHERE day BETWEEN ?1 AND ?2 GROUP BY day");
        self.rows(&query, params![days.from, days.to], named)
    }

    /// The totals of these days by month, for months with activity.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn by_month(&self, days: &Days) -> Result<BTreeMap<String, Sums>, Error> {
        let query = format!(
            "SELECT substr(day, 1, 7), {SUMS} FROM facts WHERE day BETWEEN ?1 AND ?2 GROUP BY substr(day, 1, 7)"
        );
        self.rows(&query, params![days.from, days.to], named)
    }

    /// How many of those who first bought in one of these months bought in which of these months, by both:
    /// `2010-11 2010-12`.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn cohorts(&self, days: &Days) -> Result<BTreeMap<String, u64>, Error> {
        let query = "WITH
                bought AS (SELECT DISTINCT buyer, substr(day, 1, 7) AS month FROM facts WHERE purchases > 0),
                begun AS (SELECT buyer, MIN(month) AS first FROM bought GROUP BY buyer)
            SELECT first || ' ' || month, COUNT(*) FROM bought JOIN begun USING (buyer)
            WHERE first >= substr(?1, 1, 7) AND month <= substr(?2, 1, 7)
            GROUP BY first, month";
        self.rows(query, params![days.from, days.to], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Every day of these.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn calendar(&self, days: &Days) -> Result<Vec<String>, Error> {
        let query = "WITH RECURSIVE calendar (day) AS (
                SELECT ?1 UNION ALL SELECT date(day, '+1 day') FROM calendar WHERE day < ?2
            ) SELECT day FROM calendar";
        self.rows(query, params![days.from, days.to], |row| row.get(0))
    }

    /// The totals of each item on these days.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn by_item(&self, days: &Days) -> Result<BTreeMap<String, Sums>, Error> {
        let query = format!("SELECT item, {SUMS} FROM facts WHERE day BETWEEN ?1 AND ?2 GROUP BY item");
        self.rows(&query, params![days.from, days.to], named)
    }

    /// The most purchases of one item on these days, the greatest number first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn most_purchases(&self, days: &Days) -> Result<Vec<u64>, Error> {
        let query = "SELECT SUM(purchases) FROM facts WHERE day BETWEEN ?1 AND ?2
            GROUP BY item HAVING SUM(purchases) > 0 ORDER BY 1 DESC LIMIT 10";
        self.rows(query, params![days.from, days.to], |row| row.get(0))
    }

    /// The most that one item brought in on these days, refunds taken off, the greatest number first; without items that
    /// brought in nothing.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn most_revenue(&self, days: &Days) -> Result<Vec<i64>, Error> {
        let query = "SELECT SUM(gross) - SUM(refunds) FROM facts WHERE day BETWEEN ?1 AND ?2
            GROUP BY item HAVING SUM(gross) > SUM(refunds) ORDER BY 1 DESC LIMIT 10";
        self.rows(query, params![days.from, days.to], |row| row.get(0))
    }

    /// Of each month in which something happened, the days from the first to the last such day in it.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn active_days(&self) -> Result<Vec<Days>, Error> {
        let query = "SELECT MIN(day), MAX(day) FROM facts GROUP BY substr(day, 1, 7) ORDER BY 1";
        self.rows(query, [], |row| Ok(Days { from: row.get(0)?, to: row.get(1)? }))
    }

    /// The whole of these months.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn months(&self) -> Result<Vec<Days>, Error> {
        let query = "SELECT DISTINCT date(day, 'start of month'), date(day, 'start of month', '+1 month', '-1 day')
            FROM facts ORDER BY 1";
        self.rows(query, [], |row| Ok(Days { from: row.get(0)?, to: row.get(1)? }))
    }

    /// The totals of all buyers, by the API's query for each: `userId=17850`.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn by_buyer(&self) -> Result<BTreeMap<String, Bought>, Error> {
        let query = "SELECT buyer, COUNT(*), SUM(units), SUM(pence), SUM(given_back) FROM purchases GROUP BY buyer";
        self.rows(query, [], |row| {
            let bought =
                Bought { purchases: row.get(1)?, units: row.get(2)?, paid: row.get(3)?, given_back: row.get(4)? };
            Ok((row.get(0)?, bought))
        })
    }

    /// Those who bought most often, by the same query.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn best_buyers(&self, limit: usize) -> Result<Vec<String>, Error> {
        let query = "SELECT buyer FROM purchases GROUP BY buyer ORDER BY COUNT(*) DESC, buyer LIMIT ?1";
        self.rows(query, params![limit], |row| row.get(0))
    }

    /// The count and amount of opening purchases, which are before the start of the file.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn openings(&self) -> Result<(u64, u64), Error> {
        let query = "SELECT COUNT(*), COALESCE(SUM(pence), 0) FROM purchases WHERE id < 0";
        Ok(self.0.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    fn rows<T, C: FromIterator<T>>(
        &self,
        query: &str,
        parameters: impl Params,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<C, Error> {
        let mut statement = self.0.prepare(query)?;
        let rows = statement.query_map(parameters, |row| read(row))?;
        Ok(rows.collect::<rusqlite::Result<C>>()?)
    }
}

fn named(row: &Row<'_>) -> rusqlite::Result<(String, Sums)> {
    let sums = Sums {
        purchases: row.get(1)?,
        units: row.get(2)?,
        gross: row.get(3)?,
        refund_count: row.get(4)?,
        refunds: row.get(5)?,
        net: row.get(6)?,
        ended: row.get(7)?,
        buyers: row.get(8)?,
        average_order: row.get(9)?,
    };
    Ok((row.get(0)?, sums))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID
1,a b,5,2010-12-01 08:00:00,2.1,7.0
1,c:d,1,2010-12-01 08:00:00,3.15,7.0
C2,a b,-2,2010-12-02 09:00:00,2.10,7.0
C3,a b,-3,2010-12-02 10:00:00,2.1,7.0
C4,e,-1,2011-01-02 12:00:00,4.0,
5,f,2,2011-01-02 12:00:00,0.0,
5,f,-2,2011-01-02 12:00:00,0.0,
5,f,2,yesterday,1.0,
5,f,two,2011-01-02 12:00:00,1.0,
C5,f,2,2011-01-02 12:00:00,1.0,
A6,f,1,2011-01-02 12:00:00,-9.0,
";

    fn days(from: &str, to: &str) -> Days {
        Days { from: from.to_owned(), to: to.to_owned() }
    }

    #[test]
    fn sums_are_of_the_days_asked_for() {
        let tables = Tables::of(FILE).unwrap();
        let first = Sums {
            purchases: 2,
            units: 6,
            gross: 1_365,
            net: 1_365,
            buyers: 1,
            average_order: Some(682.5),
            ..Sums::default()
        };
        let second = Sums { refund_count: 2, refunds: 1_050, net: -1_050, ended: 1, ..Sums::default() };
        let both =
            Sums { purchases: 2, units: 6, gross: 1_365, net: 315, buyers: 1, average_order: Some(682.5), ..second };
        assert_eq!(tables.sums(&days("2010-12-01", "2010-12-01")).unwrap(), first);
        assert_eq!(tables.sums(&days("2010-12-01", "2010-12-31")).unwrap(), both);
        assert_eq!(tables.sums(&days("2009-01-01", "2009-12-31")).unwrap(), Sums::default());
        let december = tables.by_day(&days("2010-12-01", "2010-12-31")).unwrap();
        assert_eq!(
            tables.calendar(&days("2010-02-28", "2010-03-02")).unwrap(),
            ["2010-02-28", "2010-03-01", "2010-03-02"]
        );
        assert_eq!(december, [("2010-12-01".to_owned(), first), ("2010-12-02".to_owned(), second)].into());
        let opening = tables.sums(&days("2010-11-30", "2010-11-30")).unwrap();
        assert_eq!((opening.purchases, opening.gross, opening.refunds), (1, 400, 0));
        assert_eq!(tables.openings().unwrap(), (1, 400));
        let months = tables.by_month(&days("2010-11-01", "2010-12-02")).unwrap();
        assert_eq!(months, [("2010-11".to_owned(), opening), ("2010-12".to_owned(), both)].into());
        let january = tables.sums(&days("2011-01-01", "2011-01-31")).unwrap();
        assert_eq!((january.purchases, january.units, january.refunds, january.ended), (1, 2, 400, 1));
    }

    #[test]
    fn items_and_buyers_are_named_as_the_api_does() {
        let tables = Tables::of(FILE).unwrap();
        let items = tables.by_item(&Days::all()).unwrap();
        let net: Vec<(&str, i64)> = items.iter().map(|(item, sums)| (item.as_str(), sums.net)).collect();
        assert_eq!(net, [("a:20b", 0), ("c:3Ad", 315), ("e", 0), ("f", 0)]);
        assert_eq!(tables.most_purchases(&days("2010-12-01", "2010-12-31")).unwrap(), [1, 1]);
        assert_eq!(tables.most_revenue(&days("2010-12-02", "2010-12-31")).unwrap(), Vec::<i64>::new());
        assert_eq!(tables.most_revenue(&Days::all()).unwrap(), [315]);
        let of_7 = Bought { purchases: 2, units: 6, paid: 1_365, given_back: 1_050 };
        let of_5 = Bought { purchases: 1, units: 2, ..Bought::default() };
        let of_c4 = Bought { purchases: 1, units: 1, paid: 400, given_back: 400 };
        let all = [("guestId=5", of_5), ("guestId=C4", of_c4), ("userId=7", of_7)];
        assert_eq!(tables.by_buyer().unwrap(), all.map(|(buyer, bought)| (buyer.to_owned(), bought)).into());
        assert_eq!(tables.best_buyers(2).unwrap(), ["userId=7", "guestId=5"]);
    }

    #[test]
    fn buyers_are_of_the_month_in_which_they_began() {
        let file = format!("{FILE}8,f,1,2010-12-31 12:00:00,1.0,\n9,f,1,2011-01-01 12:00:00,1.0,7.0\n");
        let tables = Tables::of(&file).unwrap();
        let cohorts = |from, to| {
            let cohorts = tables.cohorts(&days(from, to)).unwrap();
            cohorts.iter().map(|(months, buyers)| format!("{months} {buyers}")).collect::<Vec<_>>()
        };
        let all = ["2010-11 2010-11 1", "2010-12 2010-12 2", "2010-12 2011-01 1", "2011-01 2011-01 1"];
        assert_eq!(cohorts("2010-11-05", "2011-01-03"), all);
        assert_eq!(cohorts("2010-12-31", "2011-01-01"), all[1..]);
        assert_eq!(cohorts("2010-12-01", "2010-12-31"), all[1..2]);
    }

    #[test]
    fn months_are_whole_and_days_are_those_of_the_file() {
        let tables = Tables::of(FILE).unwrap();
        let months = [("2010-11-01", "2010-11-30"), ("2010-12-01", "2010-12-31"), ("2011-01-01", "2011-01-31")];
        assert_eq!(tables.months().unwrap(), months.map(|(from, to)| days(from, to)));
        let active = [("2010-11-30", "2010-11-30"), ("2010-12-01", "2010-12-02"), ("2011-01-02", "2011-01-02")];
        assert_eq!(tables.active_days().unwrap(), active.map(|(from, to)| days(from, to)));
    }

    #[test]
    fn a_file_may_be_of_nothing_but_not_of_something_else() {
        let tables = Tables::of(FILE.lines().next().unwrap()).unwrap();
        assert_eq!((tables.sums(&Days::all()).unwrap(), tables.months().unwrap()), (Sums::default(), vec![]));
        assert!(matches!(Tables::of("a,b\n1,2\n"), Err(Error::Column("InvoiceNo"))));
    }
}
