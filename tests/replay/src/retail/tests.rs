//! The two readings of one file, each by itself: that of `reading` and `orders`, and that of `sql`.

use std::collections::BTreeMap;
use std::path::Path;

use super::orders::Orders;
use super::reading::{Invoices, read};
use super::sql::{Days, Sums, Tables};

/// The same numbers of each day and of each item, reckoned from the orders.
fn of_orders(orders: &Orders, name: impl Fn(&str, &str) -> String) -> BTreeMap<String, Sums> {
    let mut sums = BTreeMap::<String, Sums>::new();
    let mut left: Vec<u64> = orders.purchases.iter().map(|purchase| purchase.order.amount).collect();
    for purchase in &orders.purchases {
        let order = &purchase.order;
        let sums = sums.entry(name(&order.purchased_at, &order.item_id)).or_default();
        sums.purchases += 1;
        sums.units += order.quantity;
        sums.gross += order.amount;
    }
    for refund in &orders.refunds {
        let of = &orders.purchases[refund.purchase].order;
        assert!(of.purchased_at <= refund.order.refunded_at, "{refund:?}");
        left[refund.purchase] -= refund.order.amount;
        let sums = sums.entry(name(&refund.order.refunded_at, &of.item_id)).or_default();
        sums.refund_count += 1;
        sums.refunds += refund.order.amount;
        sums.ended += u64::from(left[refund.purchase] == 0);
    }
    sums
}

/// Asserts that both readings are equal.
fn assert_alike(text: &str) -> (Invoices, Orders, Tables) {
    let (invoices, tables) = (read(text).unwrap(), Tables::of(text).unwrap());
    let orders = Orders::of(&invoices.entries);
    let plain = |sums: BTreeMap<String, Sums>| -> BTreeMap<String, Sums> {
        let plain = |sums| Sums { net: 0, buyers: 0, average_order: None, ..sums };
        sums.into_iter().map(|(name, sums)| (name, plain(sums))).collect()
    };
    let all = Days::all();
    assert_eq!(of_orders(&orders, |time, _| time[..10].to_owned()), plain(tables.by_day(&all).unwrap()));
    assert_eq!(of_orders(&orders, |_, item| item.to_owned()), plain(tables.by_item(&all).unwrap()));
    let mut bought = BTreeMap::<String, u64>::new();
    for purchase in &orders.purchases {
        let of = |name: &str, id: &Option<String>| id.as_ref().map(|id| format!("{name}={id}"));
        let buyer = of("userId", &purchase.order.user_id).or(of("guestId", &purchase.order.guest_id)).unwrap();
        *bought.entry(buyer).or_default() += 1;
    }
    let by_sql = tables.by_buyer().unwrap().into_iter().map(|(buyer, bought)| (buyer, bought.purchases));
    assert_eq!(bought, by_sql.collect());
    (invoices, orders, tables)
}

#[test]
fn the_readings_agree_on_what_is_unusual() {
    let times =
        ["2010-12-01 08:26:00", "2010-12-01 8:26:00", "2010-12-01T08:26:00", "2010-02-30 08:26:00", "2010-12-01", ""];
    let quantities = ["6", "-6", "0", "-0", "06", "+6", "1.0", " 6", "six", ""];
    let prices = ["2.55", "0.29", "0.0", "0", "2.1", "2.10", "0.0015", "-2.5", "1e2", ".5", "2.", "2.5.5", "£2", ""];
    let mut lines = vec!["InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID".to_owned()];
    for invoice in ["536365", "C536365", "A563185", "c1"] {
        for (code, customer) in [("85123A", "17850.0"), ("BANK CHARGES", ""), ("a:b", "17850")] {
            let mut line = |time: &str, quantity: &str, price: &str| {
                lines.push(format!("{invoice},{code},{quantity},{time},{price},{customer}"));
            };
            times.iter().for_each(|time| line(time, "6", "2.55"));
            quantities.iter().for_each(|quantity| line(times[0], quantity, "2.55"));
            prices.iter().for_each(|price| line(times[0], "6", price));
            prices.iter().for_each(|price| line("2010-12-05 08:26:00", "-6", price));
        }
    }
    let (invoices, orders, _) = assert_alike(&lines.join("\n"));
    assert!(orders.purchases.len() > 60 && orders.refunds.len() > 15);
    assert!(invoices.left_out.len() > 20 && invoices.unreadable.len() > 50);
}

#[test]
#[cfg_attr(not(has_invoices), ignore = "needs ../shared/data/online_retail_10k.csv; then touch tests/replay/build.rs")]
fn readings_agree_on_real_invoices() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/online_retail_10k.csv");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (invoices, orders, tables) = assert_alike(&text);
    assert_eq!((invoices.entries.len(), invoices.left_out.len(), invoices.unreadable.len()), (9_970, 30, 0));
    assert_eq!((orders.purchases.len(), orders.openings(), orders.refunds.len()), (9_960, 90, 100));
    assert_eq!(tables.openings().unwrap(), (90, 339_658));
    let december = Days { from: "2010-12-01".to_owned(), to: "2010-12-31".to_owned() };
    let sums = Sums {
        purchases: 9_870,
        units: 90_501,
        gross: 18_424_833,
        refund_count: 100,
        refunds: 358_058,
        net: 18_066_775,
        ended: 94,
        buyers: 341,
        average_order: Some(18_424_833.0 / 9_870.0),
    };
    assert_eq!(tables.sums(&december).unwrap(), sums);
    assert_eq!(tables.most_purchases(&december).unwrap(), [62, 59, 57, 57, 55, 51, 45, 44, 43, 41]);
    let revenue = [771_795, 318_663, 293_874, 274_978, 260_098, 241_572, 215_979, 200_596, 181_782, 154_492];
    assert_eq!(tables.most_revenue(&december).unwrap(), revenue);
}
