//! The stats of a package are those of its current quizzes.

use serde_json::{Value, json};

use super::api::Deed::{Attempt, Like, Rate, Unlike};
use super::api::{Api, Deed, Deeds, EVE, KAI, Numbers, Person, ROOT, SAM, SUE, TIM, named, names};

/// Quizzes that something happened to.
async fn start(quizzes: &[&str]) -> (Api, Deeds) {
    let (api, mut deeds) = (Api::start().await, Deeds::default());
    api.quizzes(quizzes).await;
    for (number, quiz) in (1_u64..).zip(quizzes) {
        for (person, deed) in [
            (SAM, Like),
            (SUE, Rate(number % 5 + 1)),
            (SAM, Rate(5)),
            (SUE, Attempt(1, number % 9)),
            (SUE, Attempt(2, 8)),
        ] {
            api.does(&mut deeds, person, quiz, deed).await;
        }
    }
    (api, deeds)
}

#[tokio::test(flavor = "multi_thread")]
async fn quiz_contributes_its_history_while_it_is_a_member() {
    let (api, mut deeds) = start(&["q", "r", "s"]).await;
    api.made("p", &["q"]).await;
    assert_eq!(api.numbers("p").await, deeds.of(&["q"]));
    api.holds("p", &["q", "r"]).await;
    assert_eq!(api.numbers("p").await, deeds.of(&["q", "r"]));
    api.does(&mut deeds, KAI, "r", Like).await;
    assert_eq!(api.numbers("p").await, deeds.of(&["q", "r"]), "one that came in later is followed");
    api.holds("p", &["s", "r"]).await;
    assert_eq!(api.numbers("p").await, deeds.of(&["r", "s"]));
    for deed in [Like, Rate(1), Attempt(1, 0)] {
        api.does(&mut deeds, KAI, "q", deed).await;
    }
    api.does(&mut deeds, SAM, "q", Unlike).await;
    assert_eq!(api.numbers("p").await, deeds.of(&["r", "s"]), "one that was taken out is followed no more");
    api.holds("p", &["q"]).await;
    assert_eq!(api.numbers("p").await, deeds.of(&["q"]), "what happened while it was out comes in with it");
    api.holds::<&str>("p", &[]).await;
    assert_eq!(api.numbers("p").await, Numbers::default());
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quiz_in_two_packages_contributes_to_both() {
    let (api, mut deeds) = start(&["q", "r"]).await;
    api.made("from", &["q", "r"]).await;
    api.made("to", &["q"]).await;
    let expect = async |deeds: &Deeds, from: &[&str], to: &[&str]| {
        assert_eq!(api.numbers("from").await, deeds.of(from));
        assert_eq!(api.numbers("to").await, deeds.of(to));
    };
    expect(&deeds, &["q", "r"], &["q"]).await;
    api.does(&mut deeds, KAI, "q", Rate(2)).await;
    expect(&deeds, &["q", "r"], &["q"]).await;
    // Into the one and out of the other, in both orders; each time something happens before all is settled.
    api.holds("from", &["q"]).await;
    api.holds("to", &["q", "r"]).await;
    api.does(&mut deeds, KAI, "r", Like).await;
    expect(&deeds, &["q"], &["q", "r"]).await;
    api.holds("from", &["r", "q"]).await;
    api.holds("to", &["q"]).await;
    api.does(&mut deeds, KAI, "r", Unlike).await;
    expect(&deeds, &["q", "r"], &["q"]).await;
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reordering_quizzes_changes_no_stats() {
    let (api, _deeds) = start(&["q", "r", "s"]).await;
    let made = api.made("p", &["q", "r", "s"]).await;
    let before = api.stats(TIM, "p").await;
    let turned = api.holds("p", &["s", "q", "r"]).await;
    assert_eq!(turned.body["quizIds"], json!(["s", "q", "r"]));
    assert_ne!(turned.header("etag"), made.header("etag"));
    assert_eq!(api.stats(TIM, "p").await, before, "not even the time that they are of");
    assert_eq!(api.get("p").await.body, turned.body);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn package_of_500_quizzes_is_created_replaced_and_emptied() {
    let (api, mut deeds) = (Api::start().await, Deeds::default());
    let all = names("q", 0..1_000);
    api.quizzes(&all).await;
    let of = |number: usize, quiz: &'_ String| -> Vec<(Person<'static>, String, Deed)> {
        let score = (number / 9 % 9) as u64;
        let done = [(SAM, Like), (SUE, Rate(number as u64 % 5 + 1)), (KAI, Attempt(1, score))];
        done.into_iter().map(|(person, deed)| (person, quiz.clone(), deed)).collect()
    };
    let done: Vec<_> = all.iter().enumerate().step_by(9).flat_map(|(number, quiz)| of(number, quiz)).collect();
    let done: Vec<(Person<'static>, &str, Deed)> =
        done.iter().map(|(person, quiz, deed)| (*person, quiz.as_str(), *deed)).collect();
    api.all_do(&mut deeds, &done).await;

    let (first, second) = all.split_at(500);
    let made = api.made("p", first).await;
    assert_eq!(made.body["quizIds"], json!(first));
    assert_eq!(api.numbers("p").await, deeds.of(first));
    api.holds("p", second).await;
    assert_eq!(api.numbers("p").await, deeds.of(second));
    api.does(&mut deeds, KAI, &first[0], Like).await;
    api.does(&mut deeds, KAI, &second[499], Like).await;
    assert_eq!(api.numbers("p").await, deeds.of(second));
    // Changed again while the change before is still under way.
    let mixed: Vec<&String> = first.iter().step_by(2).chain(second.iter().step_by(3)).collect();
    api.holds("p", first).await;
    api.holds("p", &mixed).await;
    assert_eq!(api.numbers("p").await, deeds.of(&mixed));
    api.holds::<&str>("p", &[]).await;
    assert_eq!(api.numbers("p").await, Numbers::default());
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_package_can_be_recreated_by_its_creator() {
    let (api, mut deeds) = start(&["q", "r"]).await;
    api.made("kept", &["q"]).await;
    let first = api.made("p", &["q"]).await;
    assert_eq!(api.numbers("p").await, deeds.of(&["q"]));
    assert_eq!(api.of_creator("tim", "").await, [["kept", "p"]]);

    api.deleted("p").await;
    let gone = async || {
        api.app.settled().await;
        api.get("p").await.is_problem(404);
        api.asked(TIM, "?packageId=p", &[]).await.is_problem(404);
        let several = api.asked(TIM, "?packageId=p,kept", &[]).await;
        assert_eq!((&several.body["unknown"], several.body["packages"].as_array().unwrap().len()), (&json!(["p"]), 1));
        assert_eq!(api.of_creator("tim", "").await, [["kept"]]);
        api.put(TIM, "p", &[], &super::api::described(&["q"])).await.is_problem(404);
        api.delete(TIM, "p", &[]).await.is_problem(404);
    };
    gone().await;
    api.does(&mut deeds, KAI, "q", Like).await;
    gone().await;

    // Other creators cannot use its id.
    for other in [EVE, Person("tom", "teacher")] {
        api.post(other, &named("p", &["q"])).await.is_problem(403);
    }
    gone().await;
    let again = api.made("p", &["r"]).await;
    assert_ne!(again.header("etag"), first.header("etag"));
    assert_eq!(api.numbers("p").await, deeds.of(&["r"]));
    api.does(&mut deeds, KAI, "r", Like).await;
    api.does(&mut deeds, KAI, "q", Rate(1)).await;
    assert_eq!(api.numbers("p").await, deeds.of(&["r"]));
    assert_eq!(api.of_creator("tim", "").await, [["kept", "p"]]);

    // An admin makes it again for whose it was.
    api.deleted("p").await;
    let mut body = named("p", &["q", "r"]);
    body["creatorId"] = json!("eve");
    let again = api.post(ROOT, &body).await;
    assert_eq!((again.status.as_u16(), &again.body["creatorId"]), (201, &json!("tim")));
    assert_eq!(api.numbers("p").await, deeds.of(&["q", "r"]));
    let none: [[Value; 0]; 1] = [[]];
    assert_eq!(json!(api.of_creator("eve", "").await), json!(none));

    // Deleted and recreated before any updater runs.
    for quizzes in [["q"], ["r"], ["q"]] {
        api.deleted("p").await;
        api.made("p", &quizzes).await;
    }
    assert_eq!(api.numbers("p").await, deeds.of(&["q"]));
    api.app.finish().await;
}
