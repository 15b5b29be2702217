//! A shop's invoices: every line as a purchase or a refund.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use replay::api::{Api, ApiError};
use replay::converge::Reached;
use replay::retail::compare::Difference;
use replay::retail::load::{self, Loaded};
use replay::retail::orders::Orders;
use replay::retail::reading;
use replay::retail::sql::{Days, Sums, Tables};
use replay::retail::verify::{self, Subject};

use crate::options::{Options, Task};
use crate::show::{Progress, gave_up, list, table};
use crate::with_api;

/// Loads the invoices and checks what the API then answers; whether all went as it should.
pub(crate) fn run(options: &Options, text: &str) -> anyhow::Result<bool> {
    let name = options.file.display();
    let tables = Tables::of(text).with_context(|| format!("cannot read {name}"))?;
    let subjects = verify::subjects(&tables)?;
    if options.task == Task::Print {
        print_expected(&tables)?;
        return Ok(true);
    }

    let invoices = reading::read(text).with_context(|| format!("cannot read {name}"))?;
    let orders = Orders::of(&invoices.entries);
    println!(
        "{name}: {} purchases, {} of them from before the file begins, and {} refunds; {} lines are neither, {} cannot be read",
        orders.purchases.len(),
        orders.openings(),
        orders.refunds.len(),
        invoices.left_out.len(),
        invoices.unreadable.len()
    );
    list(invoices.left_out.iter().map(ToString::to_string));
    list(invoices.unreadable.iter().map(ToString::to_string));
    ensure!(counted_alike(&tables, &orders)?, "the two readings of {name} differ");

    with_api(options, async |api| {
        let mut fine = true;
        if options.task != Task::Verify {
            fine = load(api, &orders, options).await.with_context(|| format!("cannot load {name}"))?;
        }
        if options.task != Task::Load {
            fine &= check(api, &subjects, options).await.context("cannot check the numbers")?;
        }
        Ok(fine)
    })
}

fn counted_alike(tables: &Tables, orders: &Orders) -> anyhow::Result<bool> {
    let Sums { purchases, gross, refund_count, refunds, .. } = tables.sums(&Days::all())?;
    let paid = orders.purchases.iter().map(|purchase| purchase.order.amount).sum::<u64>();
    let given_back = orders.refunds.iter().map(|refund| refund.order.amount).sum::<u64>();
    let counts = (orders.purchases.len() as u64, orders.refunds.len() as u64);
    Ok((purchases, refund_count) == counts && (gross, refunds) == (paid, given_back))
}

/// Sends the orders; whether the API took them all.
async fn load(api: &Api, orders: &Orders, options: &Options) -> Result<bool, ApiError> {
    let start = Instant::now();
    let progress = Progress::of("orders sent", (orders.purchases.len() + orders.refunds.len()) as u64);
    let loaded = load::load(api, orders, options.pace.connections, |count| progress.add(count)).await;
    progress.end();
    let Loaded { purchases, refunds, refused } = loaded?;
    let made = purchases.iter().flatten().count() as u64;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "sent: {made} purchases, {refunds} refunds, {} refused; {seconds:.1} s, {:.0} orders/s",
        refused.len(),
        (made + refunds) as f64 / seconds
    );
    list(refused.iter().map(ToString::to_string));
    Ok(refused.is_empty())
}

/// Waits while sums grow. Returns whether all of them reach the values of the file.
async fn check(api: &Api, subjects: &[Subject], options: &Options) -> Result<bool, ApiError> {
    let start = Instant::now();
    let progress = Progress::of("answers right", subjects.len() as u64);
    let tell = |reached: Reached| {
        progress.reach(reached.right, &format!("{} purchases and refunds counted in them", reached.counted));
    };
    let different = verify::verify(api, subjects, options.pace.connections, options.patience, tell).await;
    progress.end();
    let different = different?;
    let wrong: BTreeSet<&str> = different.iter().map(|difference| difference.subject.as_str()).collect();
    println!(
        "checked: {} of {} answers on days and buyers say what SQL says of the file; {:.1} s",
        subjects.len() - wrong.len(),
        subjects.len(),
        start.elapsed().as_secs_f64()
    );
    let rows = different.iter().map(|difference| {
        let Difference { subject, what, expected, found } = difference;
        format!("| {subject} | {what} | {expected} | {found} |")
    });
    table("| of | number | expected | found |\n|---|---|---:|---:|", &rows.collect::<Vec<_>>());
    gave_up(!different.is_empty(), options.patience);
    Ok(different.is_empty())
}

/// Prints what is expected, one month or day a line, columns separated by tabs.
fn print_expected(tables: &Tables) -> anyhow::Result<()> {
    println!("days\tpurchases\tunits\tgross\trefundCount\trefunds\tnet\tended\tbuyers");
    let print = |days: &str, sums: &Sums| {
        let Sums { purchases, units, gross, refund_count, refunds, net, ended, buyers, .. } = sums;
        println!("{days}\t{purchases}\t{units}\t{gross}\t{refund_count}\t{refunds}\t{net}\t{ended}\t{buyers}");
    };
    for days in tables.months()? {
        print(days.from.get(..7).unwrap_or_default(), &tables.sums(&days)?);
    }
    tables.by_day(&Days::all())?.iter().for_each(|(day, sums)| print(day, sums));
    Ok(())
}
