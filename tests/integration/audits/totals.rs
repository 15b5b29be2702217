//! Buckets, the totals derived from them, revenue, and rankings.

use serde_json::json;

use super::corruption::{Vandal, number, spoiled};
use super::shop;

#[tokio::test(flavor = "multi_thread")]
async fn repairs_bucket_that_differs_from_its_facts() {
    spoiled(|vandal, _| {
        // Changed; lost; and one without facts, in an hour that has some.
        vandal.add_to_minute("SALES#COURSE#algebra", "B#2026-01-10T12:00", "USD@card", "gross", 7);
        vandal.is("bucket", "SALES#COURSE#algebra/B#2026-01-10T12:00");
        vandal.may_be_what_follows("COURSE#algebra", "2026-01-10");
        vandal.lose("SALES#TEST#finals", "B#2026-02-03T10:00");
        vandal.is("bucket", "SALES#TEST#finals/B#2026-02-03T10:00");
        vandal.may_be_what_follows("TEST#finals", "2026-02-03");
        vandal.copy("SALES#COURSE#geometry", "B#2026-03-02T08:00", "B#2026-03-02T08:59", |_| {});
        vandal.is("bucket", "SALES#COURSE#geometry/B#2026-03-02T08:59");
        vandal.may_be_what_follows("COURSE#geometry", "2026-03-02");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_everything_derived_from_wrong_bucket() {
    spoiled(|vandal, _| {
        // As if one sale more had been there when the minute was folded.
        let (item, key) = ("COURSE#geometry", "USD@card");
        let of_item = format!("SALES#{item}");
        for (name, by) in [("purchases", 1), ("units", 1), ("gross", 1_100)] {
            vandal.add_to_minute(&of_item, "B#2026-03-02T08:00", key, name, by);
            for period in ["T", "D#2026-03-02", "M#2026-03"] {
                vandal.add(&of_item, period, &format!("{name}#{key}"), by);
            }
            for period in ["D#2026-03-02", "M#2026-03"] {
                vandal.add(&format!("REVENUE#{period}"), &format!("C#{item}"), &format!("{name}#{key}"), by);
                vandal.add("REVENUE", &format!("{period}#COURSE"), &format!("{name}#{key}"), by);
            }
        }
        for period in ["D#2026-03-02", "M#2026-03"] {
            let pk = format!("REVENUE#{period}");
            for (list, by) in [("N#", 1), ("R#USD#", 1_100)] {
                let place = vandal.sort_keys(&pk, list, item).remove(0);
                let was: i128 = place[list.len()..list.len() + 20].parse().unwrap();
                vandal.lose(&pk, &place);
                vandal.invent(&pk, &format!("{list}{:020}#{item}", was - by), &json!({}));
            }
        }
        vandal.is("bucket", "SALES#COURSE#geometry/B#2026-03-02T08:00");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removes_bucket_without_facts() {
    spoiled(|vandal, _| {
        vandal.copy("SALES#COURSE#geometry", "B#2026-03-02T08:00", "B#2026-03-02T17:00", |_| {});
        vandal.is("bucket", "SALES#COURSE#geometry/B#2026-03-02T17:00");
        vandal.may_be_what_follows("COURSE#geometry", "2026-03-02");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_all_time_totals_of_item() {
    spoiled(|vandal, _| {
        vandal.add("SALES#COURSE#algebra", "T", "purchases#USD@card", 1);
        vandal.is("total", "SALES#COURSE#algebra/T");
        vandal.add("SALES#TEST#quiz", "T", "gross#JPY@cash", 4);
        vandal.is("total", "SALES#TEST#quiz/T");
        vandal.lose("SALES#PRODUCT#cup", "T");
        vandal.is("total", "SALES#PRODUCT#cup/T");
        // Months and days that are lost, and ones that there never were.
        vandal.lose("SALES#TEST#finals", "D#2026-02-03");
        vandal.is("total", "SALES#TEST#finals/D#2026-02-03");
        vandal.may_be_what_all_bring_in("TEST#finals", "D#2026-02-03");
        vandal.lose("SALES#PACKAGE#p", "M#2026-04");
        vandal.is("total", "SALES#PACKAGE#p/M#2026-04");
        vandal.may_be("total", "SALES#PACKAGE#p/T");
        vandal.may_be_what_all_bring_in("PACKAGE#p", "M#2026-04");
        vandal.copy("SALES#COURSE#geometry", "D#2026-03-02", "D#2026-03-29", |_| {});
        vandal.is("total", "SALES#COURSE#geometry/D#2026-03-29");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_daily_and_monthly_totals_of_item() {
    spoiled(|vandal, _| {
        vandal.add("SALES#COURSE#algebra", "D#2026-01-10", "gross#USD@card", 7);
        vandal.is("total", "SALES#COURSE#algebra/D#2026-01-10");
        vandal.may_be_what_all_bring_in("COURSE#algebra", "D#2026-01-10");
        vandal.add("SALES#PRODUCT#cup", "M#2026-03", "units#EUR@card", -1);
        vandal.is("total", "SALES#PRODUCT#cup/M#2026-03");
        vandal.may_be("total", "SALES#PRODUCT#cup/T");
        vandal.may_be_what_all_bring_in("PRODUCT#cup", "M#2026-03");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_contribution_of_item() {
    spoiled(|vandal, _| {
        vandal.add("REVENUE#D#2026-01-10", "C#COURSE#algebra", "gross#USD@card", 7);
        vandal.is("contribution", "REVENUE#D#2026-01-10/C#COURSE#algebra");
        vandal.add("REVENUE#M#2026-03", "C#COURSE#geometry", "purchases#USD@cash", 1);
        vandal.is("contribution", "REVENUE#M#2026-03/C#COURSE#geometry");
        vandal.lose("REVENUE#D#2026-02-28", "C#PACKAGE#p");
        vandal.is("contribution", "REVENUE#D#2026-02-28/C#PACKAGE#p");
        vandal.lose("REVENUE#M#2026-02", "C#TEST#finals");
        vandal.is("contribution", "REVENUE#M#2026-02/C#TEST#finals");
        // A contribution is put right with the difference that it makes to the sum and to its places, which were right.
        vandal.may_be_what_all_bring_in("COURSE#algebra", "D#2026-01-10");
        vandal.may_be_what_all_bring_in("COURSE#geometry", "M#2026-03");
        vandal.may_be_what_all_bring_in("PACKAGE#p", "D#2026-02-28");
        vandal.may_be_what_all_bring_in("TEST#finals", "M#2026-02");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removes_contribution_of_unsold_item() {
    for (period, item) in
        [("M#2026-03", "COURSE#ghost"), ("D#2026-03-02", "COURSE#ghost"), ("M#2026-03", "TEST#finals")]
    {
        spoiled(|vandal, _| {
            let sums = json!({"purchases#USD@card": number(1), "gross#USD@card": number(5), "version": {"S": "v"}});
            vandal.invent(&format!("REVENUE#{period}"), &format!("C#{item}"), &sums);
            vandal.is("contribution", &format!("REVENUE#{period}/C#{item}"));
            vandal.may_be_what_all_bring_in(item, period);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_total_revenue() {
    spoiled(|vandal, _| {
        vandal.add("REVENUE", "D#2026-01-10#COURSE", "gross#USD@card", 7);
        vandal.is("revenue", "REVENUE/D#2026-01-10#COURSE");
        vandal.add("REVENUE", "M#2026-02#TEST", "units#EUR@card", -1);
        vandal.is("revenue", "REVENUE/M#2026-02#TEST");
        vandal.add("REVENUE", "M#2026-02#COURSE", "gross#JPY@cash", 1);
        vandal.is("revenue", "REVENUE/M#2026-02#COURSE");
        vandal.add("REVENUE", "M#2026-04#PRODUCT", "claps", 1);
        vandal.is("revenue", "REVENUE/M#2026-04#PRODUCT");
        // Lost, where others of the same time are still there; and one of something that was not sold then.
        vandal.lose("REVENUE", "D#2026-02-03#TEST");
        vandal.is("revenue", "REVENUE/D#2026-02-03#TEST");
        vandal.lose("REVENUE", "M#2026-03#PRODUCT");
        vandal.is("revenue", "REVENUE/M#2026-03#PRODUCT");
        vandal.invent("REVENUE", "D#2026-03-02#PACKAGE", &json!({"purchases#USD@card": number(1)}));
        vandal.is("revenue", "REVENUE/D#2026-03-02#PACKAGE");
        vandal.invent("REVENUE", "D#2026-03-22#TEST", &json!({"purchases#USD@card": number(1)}));
        vandal.is("revenue", "REVENUE/D#2026-03-22#TEST");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restores_lost_daily_revenue() {
    spoiled(|vandal, _| {
        vandal.lose("REVENUE", "D#2026-01-10#COURSE");
        vandal.is("revenue", "REVENUE/D#2026-01-10#COURSE");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restores_lost_monthly_revenue() {
    spoiled(|vandal, _| {
        vandal.lose("REVENUE", "M#2026-01#COURSE");
        vandal.is("revenue", "REVENUE/M#2026-01#COURSE");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restores_lost_distinct_buyers() {
    for period in ["D#2026-02-03", "M#2026-02"] {
        spoiled(|vandal, _| {
            vandal.lose("REVENUE", &format!("U#{period}"));
            vandal.is("revenue", &format!("REVENUE/U#{period}"));
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_ranking_places() {
    spoiled(|vandal, _| {
        let lose = |vandal: &Vandal<'_>, pk: &str, list: &str, item: &str| {
            let places = vandal.sort_keys(pk, list, item);
            assert_eq!(places.len(), 1, "{places:?}");
            vandal.lose(pk, &places[0]);
        };
        // Missing, by number and by money.
        lose(vandal, "REVENUE#D#2026-01-10", "N#", "COURSE#algebra");
        vandal.is("ranking", "REVENUE#D#2026-01-10/C#COURSE#algebra");
        lose(vandal, "REVENUE#M#2026-02", "R#EUR#", "TEST#quiz");
        vandal.is("ranking", "REVENUE#M#2026-02/C#TEST#quiz");
        // One place too many: further ahead, in a currency without revenue, and of an item that was not sold.
        let ahead = format!("{:020}", i64::MAX - 1_000);
        vandal.invent("REVENUE#M#2026-03", &format!("N#{ahead}#COURSE#geometry"), &json!({}));
        vandal.is("ranking", "REVENUE#M#2026-03/C#COURSE#geometry");
        vandal.invent("REVENUE#D#2026-03-02", &format!("R#GBP#{ahead}#PRODUCT#cup"), &json!({}));
        vandal.is("ranking", "REVENUE#D#2026-03-02/C#PRODUCT#cup");
        vandal.invent("REVENUE#D#2026-03-02", &format!("N#{ahead}#COURSE#ghost"), &json!({}));
        vandal.is("ranking", "REVENUE#D#2026-03-02/C#COURSE#ghost");
        // In another place.
        lose(vandal, "REVENUE#M#2026-04", "N#", "PRODUCT#pen");
        vandal.invent("REVENUE#M#2026-04", &format!("N#{ahead}#PRODUCT#pen"), &json!({}));
        vandal.is("ranking", "REVENUE#M#2026-04/C#PRODUCT#pen");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_audit_finds_every_kind_of_error() {
    spoiled(|vandal, known| {
        vandal.lose("OWNER#u:sam", "PACKAGE#p");
        vandal.is("ownership", "OWNER#u:sam/PACKAGE#p");
        let entry = format!("{}#{}", known.pending["purchasedAt"].as_str().unwrap(), shop::id(&known.pending));
        vandal.lose("BUYER#u:kim", &entry);
        vandal.is("listing", &format!("PURCHASE#{}", shop::id(&known.pending)));
        vandal.may_be("buyer", "BUYER#u:kim");
        vandal.lose("SALES#TEST#finals", "B#2026-02-03T10:00");
        vandal.is("bucket", "SALES#TEST#finals/B#2026-02-03T10:00");
        vandal.may_be_what_follows("TEST#finals", "2026-02-03");
        vandal.add("SALES#PRODUCT#pen", "T", "purchases#USD@card", 1);
        vandal.is("total", "SALES#PRODUCT#pen/T");
        vandal.lose("REVENUE#D#2026-02-28", "C#PACKAGE#p");
        vandal.is("contribution", "REVENUE#D#2026-02-28/C#PACKAGE#p");
        vandal.may_be_what_all_bring_in("PACKAGE#p", "D#2026-02-28");
        vandal.add("REVENUE", "M#2026-03#PRODUCT", "gross#EUR@card", 7);
        vandal.is("revenue", "REVENUE/M#2026-03#PRODUCT");
        let place = vandal.sort_keys("REVENUE#D#2026-01-10", "N#", "COURSE#algebra").remove(0);
        vandal.lose("REVENUE#D#2026-01-10", &place);
        vandal.is("ranking", "REVENUE#D#2026-01-10/C#COURSE#algebra");
        vandal.lose("BUYER#g:gil", "T");
        vandal.is("buyer", "BUYER#g:gil");
        vandal.add("COHORTS", "2026-02", "2026-03", 1);
        vandal.is("cohort", "COHORTS/2026-02");
    })
    .await;
}
