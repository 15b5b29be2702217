//! What a package earned: in the currency of its price and in each other, for its creator and admins alone.

use std::time::Duration;

use serde_json::{Value, json};
use store::PackageProjector;
use tokio::time::Instant;

use super::api::{ANN, Api, EVE, Person, ROOT, SAM, TIM, described, named};

/// Writes what purchases of a package have brought in, as the system of purchases keeps it.
pub(super) fn sold(api: &Api, package: &str, version: &str, earned: &[(&str, i64)]) {
    let mut item = json!({
        "pk": {"S": format!("SALES#PACKAGE#{package}")}, "sk": {"S": "T"}, "version": {"S": version},
    });
    for (currency, amount) in earned {
        item[format!("gross#{currency}@card")] = json!({"N": amount.to_string()});
    }
    api.app.database("PutItem", "StatsTable", json!({"Item": item}));
}

/// The same, and has it followed.
async fn earns(api: &Api, package: &str, version: &str, earned: &[(&str, i64)]) {
    sold(api, package, version, earned);
    let updates = api.app.open(PackageProjector::open);
    let deadline = Instant::now() + Duration::from_secs(20);
    updates.refresh_sales(&package.parse().unwrap(), deadline).await.unwrap();
}

/// The earnings of a package, if the user may see them.
async fn told(api: &Api, person: Person<'static>, package: &str) -> Option<(i64, Value)> {
    let stats = api.stats(person, package).await;
    let told = ["earnings", "currency", "earningsByCurrency"].map(|name| stats.get(name).cloned());
    match told {
        [Some(earnings), Some(_), Some(by_currency)] => Some((earnings.as_i64().unwrap(), by_currency)),
        [None, None, None] => None,
        _ => panic!("told in part: {stats}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn earnings_require_creator_or_admin() {
    let api = Api::start().await;
    api.made::<&str>("p", &[]).await;
    api.post(EVE, &named::<&str>("other", &[])).await;
    for person in [TIM, ROOT] {
        assert_eq!(told(&api, person, "p").await, Some((0, json!({}))), "nothing is earned before the first purchase");
    }
    earns(&api, "p", "v1", &[("INR", 150_000)]).await;
    for person in [TIM, ROOT] {
        assert_eq!(told(&api, person, "p").await, Some((150_000, json!({"INR": 150_000}))));
    }
    for person in [EVE, SAM, ANN, Person("tom", "teacher")] {
        assert_eq!(told(&api, person, "p").await, None, "{person:?}");
    }
    // In one answer too, each package as the caller may see it; by creator as by id.
    let both = api.asked(EVE, "?packageId=p,other", &[]).await;
    let [p, other] = [0, 1].map(|at| both.body["packages"][at]["earnings"].clone());
    assert_eq!((p, other), (Value::Null, json!(0)));
    let by_creator =
        async |person| api.asked(person, "?creatorId=tim", &[]).await.body["packages"][0]["earnings"].clone();
    assert_eq!((by_creator(TIM).await, by_creator(ROOT).await), (json!(150_000), json!(150_000)));
    assert_eq!((by_creator(EVE).await, by_creator(SAM).await), (Value::Null, Value::Null));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn currencies_are_never_summed() {
    let api = Api::start().await;
    api.quizzes(&["q"]).await;
    api.made("p", &["q"]).await;
    earns(&api, "p", "v1", &[("INR", 500), ("USD", 700)]).await;
    let all = json!({"INR": 500, "USD": 700});
    assert_eq!(told(&api, TIM, "p").await, Some((500, all.clone())));
    // Earnings are shown in the current currency of the price.
    for (currency, earnings) in [("USD", 700), ("EUR", 0), ("INR", 500)] {
        let mut body = described(&["q"]);
        body["currency"] = json!(currency);
        assert_eq!(api.put(TIM, "p", &[], &body).await.status, 200);
        assert_eq!(told(&api, TIM, "p").await, Some((earnings, all.clone())), "{currency}");
        assert_eq!(api.stats(TIM, "p").await["currency"], currency);
    }
    // More of one currency, and a full refund of the other; repeated, it stays the same.
    for _ in 0..2 {
        earns(&api, "p", "v2", &[("INR", 1_200), ("USD", 0)]).await;
        assert_eq!(told(&api, TIM, "p").await, Some((1_200, json!({"INR": 1_200, "USD": 0}))));
    }
    // What people do leaves the earnings alone.
    api.tries(SAM, "q", super::api::Deed::Like).await;
    let stats = api.stats(TIM, "p").await;
    assert_eq!((&stats["totalLikes"], &stats["earnings"]), (&json!(1), &json!(1_200)));
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn earnings_survive_deletion_and_id_stays_with_creator() {
    let api = Api::start().await;
    api.made::<&str>("p", &[]).await;
    earns(&api, "p", "v1", &[("INR", 500)]).await;
    api.deleted("p").await;
    api.app.settled().await;
    for person in [TIM, ROOT] {
        api.asked(person, "?packageId=p", &[]).await.is_problem(404);
    }
    // A purchase that completes late counts, and its earnings stay with the creator.
    earns(&api, "p", "v2", &[("INR", 900)]).await;
    api.asked(TIM, "?packageId=p", &[]).await.is_problem(404);
    api.post(EVE, &named::<&str>("p", &[])).await.is_problem(403);
    api.made::<&str>("p", &[]).await;
    assert_eq!(told(&api, TIM, "p").await, Some((900, json!({"INR": 900}))));
    assert_eq!(told(&api, EVE, "p").await, None);
    api.app.finish().await;
}
