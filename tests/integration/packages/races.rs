//! Concurrent changes: a package always has the stats of its quizzes.

use fastrand::Rng;
use futures::future::join_all;
use serde_json::json;

use super::api::Deed::{Attempt, Like, Rate, Unlike};
use super::api::{ANN, Api, Deed, Deeds, EVE, KAI, Person, ROOT, SAM, SUE, TIM, described, named, names};
use crate::support::app::Answer;

fn statuses(answers: &[Answer]) -> Vec<u16> {
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_concurrent_updates_of_a_version_succeeds() {
    let api = Api::start().await;
    let quizzes = names("q", 0..20);
    api.quizzes(&quizzes).await;
    for _ in 0..3 {
        // Equal requests get equal answers; the others get a conflict.
        let made = join_all((0..10).map(async |n| api.post(TIM, &named("p", &quizzes[..n % 2])).await)).await;
        let (same, other): (Vec<_>, Vec<_>) = made.iter().partition(|answer| answer.status.is_success());
        assert_eq!((same.len(), other.len()), (5, 5), "{made:?}");
        assert!(other.iter().all(|answer| answer.status == 409), "{other:?}");
        assert!(same.iter().all(|answer| answer.status == 201), "{same:?}");
        let tag = same[0].header("etag");
        assert!(same.iter().all(|answer| answer.header("etag") == tag), "{same:?}");

        let held = [("if-match", tag)];
        let both = [described(&quizzes[..2]), described(&quizzes[2..5])];
        let put = join_all(both.iter().map(|body| api.put(TIM, "p", &held, body))).await;
        assert_eq!(statuses(&put), [200, 412], "{put:?}");
        let tag = put.iter().find(|answer| answer.status == 200).unwrap().header("etag");

        let held = [("if-match", tag)];
        let many: Vec<_> = quizzes.iter().map(|quiz| described(&[quiz])).collect();
        let put = join_all(many.iter().map(|body| api.put(TIM, "p", &held, body))).await;
        assert_eq!((statuses(&put)[0], &statuses(&put)[1..]), (200, [412; 19].as_slice()));
        let won = put.iter().find(|answer| answer.status == 200).unwrap();
        let read = api.get("p").await;
        assert_eq!((&read.body, read.header("etag")), (&won.body, won.header("etag")));

        // One deletes it; a concurrent change either fails or makes the deletion fail.
        let held = [("if-match", won.header("etag"))];
        let (gone, put) = tokio::join!(
            join_all((0..5).map(|_| api.delete(TIM, "p", &held))),
            join_all(many[..5].iter().map(|body| api.put(TIM, "p", &held, body))),
        );
        let through = |answers: &[Answer]| answers.iter().filter(|answer| answer.status.is_success()).count();
        assert_eq!(through(&gone) + through(&put), 1, "{gone:?} {put:?}");
        assert!(gone.iter().chain(&put).all(|answer| [200, 204, 404, 412].contains(&answer.status.as_u16())));
        if through(&gone) == 0 {
            api.deleted("p").await;
        }
        api.get("p").await.is_problem(404);
    }
    api.app.finish().await;
}

/// The number of actions of each user.
const DEEDS: usize = 30;

/// How often each author changes each package.
const CHANGES: usize = 8;

/// What a person does, one thing after the other, some of them twice.
async fn live(api: &Api, person: Person<'static>, quizzes: &[String], mut random: Rng) -> Deeds {
    let mut deeds = Deeds::default();
    for number in 0..DEEDS as u64 {
        let quiz = &quizzes[random.usize(..quizzes.len())];
        let deed = match random.u8(..4) {
            0 => Like,
            1 => Unlike,
            2 => Rate(random.u64(1..=5)),
            _ => Attempt(number, random.u64(0..=8)),
        };
        api.does(&mut deeds, person, quiz, deed).await;
        if random.u8(..4) == 0 {
            api.does(&mut deeds, person, quiz, deed).await;
        }
    }
    deeds
}

/// A concurrent change of a package.
async fn author(api: &Api, person: Person<'static>, package: &str, quizzes: &[String], mut random: Rng) {
    for _ in 0..CHANGES {
        let count = random.usize(..=quizzes.len());
        let chosen = random.choose_multiple(quizzes, count);
        let answer = match random.u8(..6) {
            0 => api.delete(person, package, &[]).await,
            1 | 2 => api.post(person, &named(package, &chosen)).await,
            _ => api.put(person, package, &[], &described(&chosen)).await,
        };
        assert!([200, 201, 204, 404, 409].contains(&answer.status.as_u16()), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn package_stats_match_quizzes_after_concurrent_changes() {
    let seed = 20_260_131;
    let mut random = Rng::with_seed(seed);
    let api = Api::start().await;
    let quizzes = names("q", 0..8);
    api.quizzes(&quizzes).await;
    let packages = names("p", 0..5);
    for package in &packages {
        api.made(package, &quizzes[..4]).await;
    }
    let lives = [SAM, SUE, KAI, ANN, EVE, TIM].map(|person| (person, random.fork()));
    let lives = lives.map(|(person, random)| live(&api, person, &quizzes, random));
    let authors: Vec<_> = packages
        .iter()
        .flat_map(|package| [(TIM, package), (ROOT, package)])
        .map(|(person, package)| (person, package, random.fork()))
        .collect();
    let authors = authors.into_iter().map(|(person, package, random)| author(&api, person, package, &quizzes, random));
    let (lived, _) = tokio::join!(join_all(lives), join_all(authors));
    let mut deeds = Deeds::default();
    lived.into_iter().for_each(|of| deeds.extend(of));

    let mut there = 0;
    for package in &packages {
        let read = api.get(package).await;
        if read.status == 404 {
            api.app.settled().await;
            api.asked(TIM, &format!("?packageId={package}"), &[]).await.is_problem(404);
            api.made(package, &quizzes).await;
            assert_eq!(api.numbers(package).await, deeds.of(&quizzes), "{package} made again, seed {seed}");
            continue;
        }
        there += 1;
        let held: Vec<String> = serde_json::from_value(read.body["quizIds"].clone()).unwrap();
        assert_eq!(api.numbers(package).await, deeds.of(&held), "{package} holds {held:?}, seed {seed}");
    }
    assert!(there > 0, "no package was left");
    // Current members are still updated, and former ones are not.
    for quiz in &quizzes {
        let deed: Deed = Like;
        api.does(&mut deeds, Person("new", "student"), quiz, deed).await;
    }
    for package in &packages {
        let held: Vec<String> = serde_json::from_value(api.get(package).await.body["quizIds"].clone()).unwrap();
        assert_eq!(api.numbers(package).await, deeds.of(&held), "{package} holds {held:?}, seed {seed}");
        assert_eq!(json!(api.of_creator("tim", "").await.concat()), json!(packages));
    }
    api.app.finish().await;
}
