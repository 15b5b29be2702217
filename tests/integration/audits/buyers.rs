//! Ownership, listings, totals of buyers, and cohorts.

use serde_json::json;

use super::corruption::{more, number, spoiled};
use super::shop::id;

#[tokio::test(flavor = "multi_thread")]
async fn repairs_ownership() {
    spoiled(|vandal, known| {
        // Too high after a refund, too low, lost, never bought, and one of several lost.
        vandal.add("OWNER#u:sue", "COURSE#algebra", "standing", 1);
        vandal.is("ownership", "OWNER#u:sue/COURSE#algebra");
        vandal.add("OWNER#u:sam", "COURSE#algebra", "standing", -1);
        vandal.is("ownership", "OWNER#u:sam/COURSE#algebra");
        vandal.lose("OWNER#u:sam", "PACKAGE#p");
        vandal.is("ownership", "OWNER#u:sam/PACKAGE#p");
        let invented = json!({"standing": number(1), "purchase": {"S": "never"}, "version": {"S": "v"}});
        vandal.invent("OWNER#u:kim", "COURSE#topology", &invented);
        vandal.is("ownership", "OWNER#u:kim/COURSE#topology");
        vandal.add("OWNER#u:sam", "PRODUCT#cup", "standing", -1);
        vandal.is("ownership", "OWNER#u:sam/PRODUCT#cup");
        // Far too high, without a version, without its number, and gone, of a guest.
        vandal.add("OWNER#u:lou", "COURSE#geometry", "standing", 41);
        vandal.is("ownership", "OWNER#u:lou/COURSE#geometry");
        vandal.change("OWNER#u:lou", "TEST#quiz", |item| {
            item.as_object_mut().unwrap().retain(|name, _| name != "version");
            item["standing"] = number(0);
        });
        vandal.is("ownership", "OWNER#u:lou/TEST#quiz");
        vandal.change("OWNER#u:sam", "COURSE#calculus", |item| drop(item.as_object_mut().unwrap().remove("standing")));
        vandal.is("ownership", "OWNER#u:sam/COURSE#calculus");
        vandal.lose("OWNER#g:gil", "PRODUCT#cup");
        vandal.is("ownership", "OWNER#g:gil/PRODUCT#cup");
        // A pending purchase grants no ownership.
        vandal.invent(
            "OWNER#u:kim",
            "COURSE#statistics",
            &json!({"standing": number(1), "purchase": {"S": id(&known.pending)}}),
        );
        vandal.is("ownership", "OWNER#u:kim/COURSE#statistics");
        // A purchase that there is not, one of something else, and none.
        vandal.change("OWNER#u:kim", "TEST#quiz", |item| item["purchase"] = json!({"S": "never"}));
        vandal.is("ownership", "OWNER#u:kim/TEST#quiz");
        vandal.change("OWNER#u:sue", "TEST#finals", |item| item["purchase"] = json!({"S": id(&known.ended)}));
        vandal.is("ownership", "OWNER#u:sue/TEST#finals");
        vandal.change("OWNER#u:sue", "PACKAGE#p", |item| drop(item.as_object_mut().unwrap().remove("purchase")));
        vandal.is("ownership", "OWNER#u:sue/PACKAGE#p");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_listings_of_buyer() {
    spoiled(|vandal, known| {
        let entry = |purchase: &serde_json::Value| {
            (
                purchase["purchasedAt"].as_str().unwrap().to_owned() + "#" + id(purchase),
                format!("PURCHASE#{}", id(purchase)),
            )
        };
        let (sk, subject) = entry(&known.quiz);
        vandal.change("BUYER#u:kim", &sk, |item| more(&mut item["paid"]["M"]["listed"], 7));
        vandal.is("listing", &subject);
        let (sk, subject) = entry(&known.pending);
        vandal.lose("BUYER#u:kim", &sk);
        vandal.is("listing", &subject);
        let (sk, subject) = entry(&known.algebra);
        vandal.change("BUYER#u:sam", &sk, |item| item["paymentMethod"] = json!({"S": "cash"}));
        vandal.is("listing", &subject);
        let (sk, subject) = entry(&known.cup);
        vandal.change("BUYER#u:sam", &sk, |item| item["variant"] = json!({"S": "blue"}));
        vandal.is("listing", &subject);
        // The totals of a buyer derive from the listings, and may be checked before the listings are repaired.
        for buyer in ["BUYER#u:kim", "BUYER#u:sam"] {
            vandal.may_be("buyer", buyer);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_listing_revokes_no_ownership() {
    spoiled(|vandal, known| {
        // Listed as ended or not listed at all, the item does not count as owned.
        for (buyer, item, purchase) in
            [("u:kim", "TEST#quiz", &known.quiz), ("u:sam", "COURSE#algebra", &known.algebra)]
        {
            let (pk, sk) =
                (format!("BUYER#{buyer}"), format!("{}#{}", purchase["purchasedAt"].as_str().unwrap(), id(purchase)));
            if item == "TEST#quiz" {
                vandal.change(&pk, &sk, |entry| entry["status"] = json!({"S": "refunded"}));
            } else {
                vandal.lose(&pk, &sk);
            }
            vandal.is("listing", &format!("PURCHASE#{}", id(purchase)));
            vandal.may_be("ownership", &format!("OWNER#{buyer}/{item}"));
            vandal.may_be("buyer", &pk);
            vandal.may_be("cohort", &pk);
            for month in ["2026-01", "2026-02", "2026-03", "2026-04"] {
                vandal.may_be("cohort", &format!("COHORTS/{month}"));
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_totals_of_buyer() {
    spoiled(|vandal, _| {
        // A day changed, a day lost, and a day without purchases. All are reported under the buyer.
        vandal.add("BUYER#u:sam", "C#D#2026-01-10", "gross#USD@card", 5);
        vandal.is("buyer", "BUYER#u:sam");
        vandal.lose("BUYER#u:kim", "C#D#2026-02-03");
        vandal.is("buyer", "BUYER#u:kim");
        vandal.invent(
            "BUYER#g:gus",
            "C#D#2026-02-15",
            &json!({"purchases#USD@card": number(1), "version": {"S": "v"}}),
        );
        vandal.is("buyer", "BUYER#g:gus");
        // All in all: changed, with one till more; lost.
        vandal.add("BUYER#u:sue", "T", "refunded#EUR@card", 3);
        vandal.add("BUYER#u:sue", "T", "gross#INR@cash", 3);
        vandal.is("buyer", "BUYER#u:sue");
        vandal.lose("BUYER#g:gil", "T");
        vandal.is("buyer", "BUYER#g:gil");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_months_of_buyer_with_wrong_day() {
    spoiled(|vandal, _| {
        // The day claims more purchases in its month than there are in all.
        vandal.add("BUYER#u:sam", "C#D#2026-01-10", "bought#2026-01", 5);
        vandal.is("buyer", "BUYER#u:sam");
        vandal.may_be("cohort", "BUYER#u:sam");
        for month in ["2026-01", "2026-02", "2026-03", "2026-04"] {
            vandal.may_be("cohort", &format!("COHORTS/{month}"));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_cohort_counts() {
    spoiled(|vandal, _| {
        vandal.add("COHORTS", "2026-02", "2026-03", 1);
        vandal.add("COHORTS", "2026-02", "2026-07", 1);
        vandal.is("cohort", "COHORTS/2026-02");
        vandal.add("COHORTS", "2026-01", "2026-01", -1);
        vandal.is("cohort", "COHORTS/2026-01");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_cohort_months_of_buyer() {
    spoiled(|vandal, _| {
        // Counted in a month too many, in one too few, and not at all.
        vandal.add("BUYER#u:sue", "COHORT", "2026-03", 1);
        vandal.is("cohort", "BUYER#u:sue");
        vandal.change("BUYER#u:sam", "COHORT", |item| drop(item.as_object_mut().unwrap().remove("2026-03")));
        vandal.is("cohort", "BUYER#u:sam");
        vandal.lose("BUYER#u:kim", "COHORT");
        vandal.is("cohort", "BUYER#u:kim");
        // The repair recounts every month of these buyers, so their cohorts are reported too.
        for month in ["2026-01", "2026-02"] {
            vandal.may_be("cohort", &format!("COHORTS/{month}"));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_buyer_to_correct_cohort() {
    spoiled(|vandal, _| {
        // The first month is December, in which there were no purchases.
        vandal.add("BUYER#u:sue", "COHORT", "2025-12", 1);
        vandal.is("cohort", "BUYER#u:sue");
        for month in ["2025-12", "2026-02"] {
            vandal.may_be("cohort", &format!("COHORTS/{month}"));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_cohort_membership() {
    for spoil in 0..3 {
        spoiled(|vandal, _| {
            match spoil {
                0 => vandal.add("COHORT#2026-02", "u:sue", "2026-03", 1),
                1 => vandal.lose("COHORT#2026-02", "u:kim"),
                _ => vandal.invent("COHORT#2026-02", "u:nobody", &json!({"2026-02": number(1)})),
            }
            // Which of both it is found under is left open.
            for subject in ["COHORTS/2026-02", "BUYER#u:sue", "BUYER#u:kim", "BUYER#u:nobody"] {
                vandal.may_be("cohort", subject);
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn restores_lost_cohort() {
    spoiled(|vandal, _| {
        vandal.lose("COHORTS", "2026-02");
        vandal.is("cohort", "COHORTS/2026-02");
    })
    .await;
}
