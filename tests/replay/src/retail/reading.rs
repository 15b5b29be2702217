//! Lines of invoices.

use std::fmt::Write as _;

use chrono::{DateTime, NaiveDateTime, Utc};

/// Letters of an id at most.
const ID_LENGTH: usize = 64;

/// The content of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invoices {
    /// Sales and returns, in the order of the file.
    pub entries: Vec<Entry>,
    /// Lines that are neither, such as adjustments of stock.
    pub left_out: Vec<Skipped>,
    /// Lines that cannot be read.
    pub unreadable: Vec<Skipped>,
}

/// A line with a purchase or a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its line in the file, from 1, which is the header's.
    pub number: usize,
    /// The whole line.
    pub text: String,
    /// Which of the two it is.
    pub kind: Kind,
    /// The invoice's number.
    pub invoice: String,
    /// The item's id.
    pub item: String,
    /// The quantity sold or returned.
    pub quantity: u64,
    /// The unit price as written, without trailing zeros.
    pub price: String,
    /// The price of all of them, in pence.
    pub pence: u64,
    /// When.
    pub time: DateTime<Utc>,
    /// The buyer.
    pub buyer: Buyer,
}

/// The kind of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something was sold.
    Purchase,
    /// Something was taken back.
    Refund,
}

/// A buyer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Buyer {
    /// A customer of the shop.
    User(String),
    /// A guest without a customer number, identified by the invoice.
    Guest(String),
}

/// A line that nothing is made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {number}: {reason}")]
pub struct Skipped {
    /// The line in the file, from 1.
    pub number: usize,
    /// Why.
    pub reason: &'static str,
}

/// A file that is no list of invoices.
#[derive(Debug, thiserror::Error)]
pub enum NoInvoices {
    /// It lacks a column.
    #[error("there is no column {0}")]
    Column(&'static str),
    /// It has no lines of fields.
    #[error(transparent)]
    Malformed(#[from] csv::Error),
}

/// Why nothing is made of a line.
enum Why {
    LeftOut(&'static str),
    Unreadable(&'static str),
}

/// Where the columns are.
struct Columns {
    invoice: usize,
    item: usize,
    quantity: usize,
    time: usize,
    price: usize,
    customer: usize,
}

/// Reads a file.
///
/// # Errors
/// It is no list of invoices.
pub fn read(text: &str) -> Result<Invoices, NoInvoices> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers()?;
    let column = |name| header.iter().position(|field| field.trim() == name).ok_or(NoInvoices::Column(name));
    let columns = Columns {
        invoice: column("InvoiceNo")?,
        item: column("StockCode")?,
        quantity: column("Quantity")?,
        time: column("InvoiceDate")?,
        price: column("UnitPrice")?,
        customer: column("CustomerID")?,
    };
    let mut invoices = Invoices::default();
    let mut record = csv::StringRecord::new();
    loop {
        let (from, line) = (reader.position().byte(), reader.position().line());
        if !reader.read_record(&mut record)? {
            return Ok(invoices);
        }
        // A reader may stop before the end of a line and begin with it.
        let whole = span(text, from, reader.position().byte());
        let line_text = whole.trim_start_matches(['\r', '\n']);
        let skipped = whole.get(..whole.len() - line_text.len()).unwrap_or_default();
        let number = usize::try_from(line).unwrap_or(usize::MAX).saturating_add(skipped.matches('\n').count());
        match columns.entry(&record, number, line_text.trim_end_matches(['\r', '\n'])) {
            Ok(entry) => invoices.entries.push(entry),
            Err(Why::LeftOut(reason)) => invoices.left_out.push(Skipped { number, reason }),
            Err(Why::Unreadable(reason)) => invoices.unreadable.push(Skipped { number, reason }),
        }
    }
}

fn span(text: &str, from: u64, to: u64) -> &str {
    let at = |byte: u64| usize::try_from(byte).unwrap_or(usize::MAX);
    text.get(at(from)..at(to).min(text.len())).unwrap_or_default()
}

impl Columns {
    fn entry(&self, record: &csv::StringRecord, number: usize, text: &str) -> Result<Entry, Why> {
        let field = |at, missing| record.get(at).ok_or(Why::Unreadable(missing));
        let invoice = field(self.invoice, "no invoice number")?;
        let code = field(self.item, "no stock code")?;
        let quantity = whole(field(self.quantity, "no quantity")?).ok_or(Why::Unreadable("malformed quantity"))?;
        let time = time(field(self.time, "no time")?).ok_or(Why::Unreadable("malformed time"))?;
        let price = field(self.price, "no price")?;
        let customer = field(self.customer, "no customer")?;

        let kind = match (invoice.starts_with('C'), quantity) {
            (_, 0) => return Err(Why::LeftOut("of nothing")),
            (false, 1..) => Kind::Purchase,
            (true, ..0) => Kind::Refund,
            (false, _) => return Err(Why::LeftOut("stock is adjusted")),
            (true, _) => return Err(Why::LeftOut("a cancellation that takes nothing back")),
        };
        if price.starts_with('-') {
            return Err(Why::LeftOut("a negative price"));
        }
        let price = Decimal::read(price).ok_or(Why::Unreadable("malformed price"))?;
        let quantity = quantity.unsigned_abs();
        let pence = price.times(quantity).ok_or(Why::Unreadable("an amount that is no number of pence"))?;
        if kind == Kind::Refund && pence == 0 {
            return Err(Why::LeftOut("a cancellation of what cost nothing"));
        }
        let id = |text: &str, reason| is_id(text).then(|| text.to_owned()).ok_or(Why::Unreadable(reason));
        let invoice = id(invoice, "malformed invoice number")?;
        let buyer = match customer {
            "" => Buyer::Guest(invoice.clone()),
            customer => Buyer::User(id(customer.strip_suffix(".0").unwrap_or(customer), "malformed customer")?),
        };
        let item = id(&item_id(code), "malformed stock code")?;
        let (text, time, price) = (text.to_owned(), time, price.to_string());
        Ok(Entry { number, text, kind, invoice, item, quantity, price, pence, time, buyer })
    }
}

/// A whole number that is written in one way only.
fn whole(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

/// A time to the second, in UTC.
fn time(text: &str) -> Option<DateTime<Utc>> {
    const FORMAT: &str = "%Y-%m-%d %H:%M:%S";
    let time = NaiveDateTime::parse_from_str(text, FORMAT).ok()?;
    (time.format(FORMAT).to_string() == text).then(|| time.and_utc())
}

/// The id of an item: its stock code, where a colon and two hexadecimal digits stand for each byte that an id cannot
/// hold, and for a colon. So no two codes have one id.
#[must_use]
pub fn item_id(code: &str) -> String {
    let mut id = String::with_capacity(code.len());
    for byte in code.bytes() {
        if byte != b':' && is_plain(byte) {
            id.push(char::from(byte));
        } else if write!(id, ":{byte:02X}").is_err() {
            // Writing to a string cannot fail.
            break;
        }
    }
    id
}

fn is_id(text: &str) -> bool {
    (1..=ID_LENGTH).contains(&text.len()) && text.bytes().all(is_plain)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-')
}

/// A price as it is written: `digits` / 10^`places`, the last of these digits no zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decimal {
    digits: u64,
    places: u32,
}

impl Decimal {
    fn read(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let part = part.trim_end_matches('0');
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(part) {
            return None;
        }
        Some(Self { digits: format!("{whole}{part}").parse().ok()?, places: part.len().try_into().ok()? })
    }

    /// So many times this, in hundredths; nothing if that is no whole number of them.
    fn times(self, quantity: u64) -> Option<u64> {
        let hundredths = u128::from(self.digits) * u128::from(quantity) * 100;
        let divisor = 10_u128.checked_pow(self.places)?;
        (hundredths % divisor == 0).then(|| u64::try_from(hundredths / divisor).ok()).flatten()
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}e-{}", self.digits, self.places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

    /// The entries of some lines, and why the others are none.
    fn of(lines: &str) -> Invoices {
        read(&format!("{HEADER}{lines}")).unwrap()
    }

    /// A line with one field changed.
    fn line(field: usize, value: &str) -> String {
        let mut fields = ["536365", "85123A", "LANTERN", "6", "2010-12-01 08:26:00", "2.55", "17850.0", "France"];
        fields[field] = value;
        fields.join(",")
    }

    #[test]
    fn reads_every_field() {
        let text = line(1, "BANK CHARGES");
        let read = of(&text);
        assert_eq!((read.left_out, read.unreadable), (vec![], vec![]));
        assert_eq!(
            read.entries,
            [Entry {
                number: 2,
                text,
                kind: Kind::Purchase,
                invoice: "536365".to_owned(),
                item: "BANK:20CHARGES".to_owned(),
                quantity: 6,
                price: "255e-2".to_owned(),
                pence: 1_530,
                time: "2010-12-01T08:26:00Z".parse().unwrap(),
                buyer: Buyer::User("17850".to_owned()),
            }]
        );
        let guests = of(&line(6, "")).entries;
        assert_eq!(guests[0].buyer, Buyer::Guest("536365".to_owned()));
        let refund = of("C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527.0,United Kingdom").entries;
        assert_eq!((refund[0].kind, refund[0].quantity, refund[0].pence), (Kind::Refund, 1, 2_750));
    }

    #[test]
    fn amounts_are_exact() {
        let pence = |quantity: &str, price: &str| {
            let text = format!("1,a,,{quantity},2010-12-01 08:26:00,{price},,");
            of(&text).entries.first().map(|entry| entry.pence)
        };
        assert_eq!(pence("3", "0.29"), Some(87));
        assert_eq!(pence("1", "1.15"), Some(115), "the nearest binary fraction is less");
        assert_eq!(pence("2880", "2.1"), Some(604_800));
        assert_eq!((pence("1", "18.0"), pence("1", "18"), pence("7", "0.0")), (Some(1_800), Some(1_800), Some(0)));
        assert_eq!((pence("10", "0.001"), pence("1", "0.001")), (Some(1), None));
        assert_eq!(pence("1000000", "99999999999999.99"), None, "more than 64 bits hold");
        assert_eq!(pence("1", "99999999999999.99"), Some(9_999_999_999_999_999));
        // The same price, however it is written, is one.
        let price = |text| Decimal::read(text).unwrap().to_string();
        assert_eq!((price("2.10"), price("18.0")), (price("2.1"), price("18")));
        assert_ne!(price("1.8"), price("18"));
    }

    #[test]
    fn lines_are_numbered_as_an_editor_does() {
        let quoted = "1,a,\"two\nlines, \"\"quoted\"\"\",1,2010-12-01 08:26:00,1.0,,";
        for end in ["\n", "\r\n"] {
            let text = [quoted, "", &line(0, "2"), &line(0, "C3"), &line(0, "4")].join(end);
            let text = format!("{}{end}{text}", HEADER.trim_end());
            let read = read(&text).unwrap();
            assert_eq!(read.entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [2, 5, 7], "{end:?}");
            assert_eq!(read.left_out.iter().map(|line| line.number).collect::<Vec<_>>(), [6], "{end:?}");
            assert_eq!((&read.entries[0].text, &read.entries[1].text), (&quoted.to_owned(), &line(0, "2")), "{end:?}");
        }
    }

    #[test]
    fn says_why_nothing_is_made_of_a_line() {
        let long = "x".repeat(65);
        for (field, value, reason) in [
            (0, "", "malformed invoice number"),
            (0, "5 6", "malformed invoice number"),
            (1, "", "malformed stock code"),
            (1, long.as_str(), "malformed stock code"),
            (3, "", "malformed quantity"),
            (3, "1.5", "malformed quantity"),
            (4, "12/1/2010 8:26", "malformed time"),
            (5, "", "malformed price"),
            (5, ".5", "malformed price"),
            (5, "1e2", "malformed price"),
            (5, "2.5551", "an amount that is no number of pence"),
            (6, "a b", "malformed customer"),
        ] {
            let read = of(&line(field, value));
            assert_eq!(read.unreadable, [Skipped { number: 2, reason }], "{value}");
        }
        assert_eq!(of("1,a,,1").unreadable, [Skipped { number: 2, reason: "no time" }]);
        for (field, value, reason) in [
            (3, "0", "of nothing"),
            (3, "-7", "stock is adjusted"),
            (0, "C536365", "a cancellation that takes nothing back"),
            (5, "-11062.06", "a negative price"),
        ] {
            assert_eq!(of(&line(field, value)).left_out, [Skipped { number: 2, reason }], "{value}");
        }
        let free = of("C1,a,,-1,2010-12-01 08:26:00,0.0,,");
        assert_eq!(free.left_out[0].to_string(), "line 2: a cancellation of what cost nothing");
        assert_eq!(read("a,b\n").unwrap_err().to_string(), "there is no column InvoiceNo");
    }

    #[test]
    fn columns_are_known_by_their_names() {
        let text =
            "\u{feff}UnitPrice,Quantity,CustomerID,InvoiceDate,StockCode,InvoiceNo\n1.5,2,,2010-12-01 00:00:00,a,b";
        let read = read(text).unwrap();
        assert_eq!((read.entries[0].pence, read.entries[0].invoice.as_str()), (300, "b"));
    }

    #[test]
    fn every_code_has_an_id_of_its_own() {
        assert_eq!(item_id("gift_0001_20"), "gift_0001_20");
        let codes = ["a b", "a:20b", "a:b", "a:3Ab", "a_b", "A b", "ab", "a  b", "é", "a/b", "a.b"];
        let ids: std::collections::BTreeSet<String> = codes.iter().map(|code| item_id(code)).collect();
        assert_eq!(ids.len(), codes.len(), "{ids:?}");
        assert!(ids.iter().all(|id| is_id(id)), "{ids:?}");
    }
}
