//! Figures in total, by currency, item type and payment method, by day and by month, with their growth.

use serde_json::{Value, json};

use super::{amounts, each, figures, months, quarter, share, shop, told, unknown};
use crate::purchases::api::with;

const QUARTER: &str = "?from=2026-01-01&to=2026-03-31";
const FEBRUARY: &str = "?from=2026-02-01&to=2026-02-28";

fn trend(before: i64, now: i64) -> Value {
    let growth = (before > 0).then(|| share(now - before, before));
    json!({"previous": before, "current": now, "growth": growth})
}

/// The growth of purchases, payments, refunds and net revenue.
fn growth(currency: &str, [purchases, gross, refunds, net]: [(i64, i64); 4]) -> Value {
    let trend = |(before, now)| trend(before, now);
    json!({
        "currency": currency, "purchases": trend(purchases), "gross": trend(gross), "refunds": trend(refunds),
        "net": trend(net),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_split_by_currency_type_and_payment_method() {
    let api = shop().await;
    let answer = api.analytics(QUARTER).await;
    assert_eq!(told(&answer), quarter());
    assert_eq!((&answer["range"]["from"], &answer["range"]["to"]), (&json!("2026-01-01"), &json!("2026-03-31")));
    assert_eq!(answer["buyers"], json!({"count": 4, "exact": true, "standardError": null}));
    let (eur, usd) = (amounts("EUR", 1, 900, 0, 0), amounts("USD", 2, 3_000, 2_500, 2));
    let of_types = [
        ("course", 3, figures([3, 3, 1], &[usd, eur])),
        ("test", 2, figures([2, 4, 0], &[amounts("EUR", 2, 1_100, 0, 0)])),
        ("package", 1, figures([1, 1, 0], &[amounts("USD", 1, 3_000, 0, 0)])),
        ("product", 2, figures([2, 6, 1], &[amounts("EUR", 1, 700, 0, 0), unknown(1, 1)])),
    ];
    let of_types = of_types.map(|(kind, count, all)| with(&all, &json!({"itemType": kind, "share": share(count, 8)})));
    assert_eq!((&answer["itemTypes"], &answer["courseToTest"]), (&json!(of_types), &json!(1.5)));
    let of_methods = [
        ("credit_card", 6, figures([6, 8, 0], &[amounts("EUR", 4, 2_700, 0, 0), amounts("USD", 2, 4_000, 500, 1)])),
        ("invoice", 1, figures([1, 5, 1], &[unknown(1, 1)])),
        ("paypal", 1, figures([1, 1, 1], &[amounts("USD", 1, 2_000, 2_000, 1)])),
    ];
    let of_methods =
        of_methods.map(|(method, count, all)| with(&all, &json!({"paymentMethod": method, "share": share(count, 8)})));
    assert_eq!(answer["paymentMethods"], json!(of_methods));
    let [january, february, march] = months();
    let of_months = [("2026-03", march), ("2026-02", february), ("2026-01", january)];
    assert_eq!(answer["months"], json!(of_months.map(|(month, all)| with(&all, &json!({"month": month})))));
    assert_eq!((&answer["buyer"], &answer["asOf"].as_str().unwrap()[..10]), (&Value::Null, "2026-04-10"));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_cover_only_requested_month_or_day() {
    let api = shop().await;
    let february = api.analytics(FEBRUARY).await;
    let all = &months()[1];
    assert_eq!((&told(&february), &february["buyers"]["count"]), (all, &json!(4)));
    assert_eq!(february["months"], json!([with(all, &json!({"month": "2026-02"}))]));
    assert_eq!(
        (&february["courseToTest"], each(&february["itemTypes"], "/purchases")),
        (&json!(1.0), json!([2, 2, 1, 1]))
    );
    assert_eq!(each(&february["paymentMethods"], "/paymentMethod"), json!(["credit_card", "invoice", "paypal"]));

    let day = api.analytics("?from=2026-02-03&to=2026-02-03").await;
    let all = figures([3, 5, 0], &[amounts("EUR", 2, 1_100, 0, 0), amounts("USD", 1, 2_000, 0, 0)]);
    assert_eq!((told(&day), &day["buyers"]["count"]), (all.clone(), &json!(2)));
    assert_eq!(day["months"], json!([with(&all, &json!({"month": "2026-02"}))]), "only the day of the month");
    assert_eq!((&day["courseToTest"], each(&day["itemTypes"], "/itemType")), (&json!(0.5), json!(["course", "test"])));

    // A day on which something was only given back has nothing that it is a share of.
    let back = api.analytics("?from=2026-02-10&to=2026-02-10").await;
    let all = figures([0, 0, 0], &[amounts("USD", 0, 0, 500, 1)]);
    assert_eq!((told(&back), &back["buyers"]["count"]), (all.clone(), &json!(0)));
    assert_eq!(back["itemTypes"], json!([with(&all, &json!({"itemType": "course", "share": null}))]));
    assert_eq!((&back["courseToTest"], &back["top"]["byRevenue"]["items"]), (&Value::Null, &json!([])));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_months_cover_only_requested_days() {
    let api = shop().await;
    for query in ["?from=2026-02-10&to=2026-03-05", "?from=2026-02-10&to=2026-03-05&interval=day"] {
        let answer = api.analytics(query).await;
        let eur = amounts("EUR", 1, 900, 0, 0);
        let february = figures([3, 7, 0], &[eur, amounts("USD", 1, 3_000, 500, 1), unknown(1, 0)]);
        let march = figures([1, 1, 1], &[amounts("EUR", 1, 700, 0, 0), amounts("USD", 0, 0, 2_000, 1)]);
        let of_months = [("2026-03", march), ("2026-02", february)];
        assert_eq!(answer["months"], json!(of_months.map(|(month, all)| with(&all, &json!({"month": month})))));
        let eur = amounts("EUR", 2, 1_600, 0, 0);
        assert_eq!(told(&answer), figures([4, 8, 1], &[eur, amounts("USD", 1, 3_000, 2_500, 2), unknown(1, 0)]));
        assert_eq!(answer["buyers"]["count"], 3);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn growth_compares_with_preceding_range_of_equal_length() {
    let api = shop().await;
    let february = api.analytics(FEBRUARY).await;
    let expected = json!({
        "range": {"from": "2026-01-01", "to": "2026-01-31"}, "purchases": trend(1, 6), "buyers": trend(1, 4),
        "currencies": [
            growth("EUR", [(0, 3), (0, 2_000), (0, 0), (0, 2_000)]),
            growth("USD", [(1, 2), (1_000, 5_000), (0, 500), (1_000, 4_500)]),
        ],
    });
    assert_eq!(february["trend"], expected);
    // All of March against all of February; its first 30 days against the 30 before.
    for (last, first, euros, dollars) in [
        ("2026-03-31", "2026-02-01", [(3, 1), (2_000, 700), (0, 0), (2_000, 700)], (5_000, 0)),
        ("2026-03-30", "2026-01-30", [(3, 1), (2_000, 700), (0, 0), (2_000, 700)], (5_000, 0)),
        ("2026-03-22", "2026-02-07", [(1, 1), (900, 700), (0, 0), (900, 700)], (3_000, 0)),
    ] {
        let told = &api.analytics(&format!("?from=2026-03-01&to={last}")).await["trend"];
        assert_eq!((&told["range"]["from"], &told["range"]["to"]), (&json!(first), &json!("2026-02-28")));
        assert_eq!(told["currencies"][0], growth("EUR", euros), "{last}");
        let usd = &told["currencies"][1];
        assert_eq!((&usd["gross"], &usd["refunds"]), (&trend(dollars.0, dollars.1), &trend(500, 2_000)));
    }
    // A negative net value has no growth.
    let april = &api.analytics("?from=2026-04-01&to=2026-04-30").await["trend"];
    assert_eq!((&april["purchases"], &april["buyers"]), (&trend(1, 0), &trend(1, 0)));
    let usd = json!({"previous": -2_000, "current": 0, "growth": null});
    assert_eq!((&april["currencies"][1]["net"], &april["currencies"][0]["net"]), (&usd, &trend(700, 0)));
    let quarter = &api.analytics(QUARTER).await["trend"];
    assert_eq!((&quarter["range"]["from"], &quarter["purchases"]), (&json!("2025-10-01"), &trend(0, 8)));
    // Before 1970 there were no sales.
    assert_eq!(api.analytics("?from=1970-01-01&to=1970-12-31").await["trend"], Value::Null);
    api.app.finish().await;
}
