//! Answers that are lost, and outages: packages are made, changed and deleted once, and their numbers are right.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::Method;
use local::wire::{Call, Fault, Service};
use serde_json::{Value, json};

use super::api::Deed::{Attempt, Like, Rate, Unlike};
use super::api::{ANN, Api, Deed, Deeds, KAI, PACKAGE, PACKAGES, REFRESH, REFRESHES, ROOT, SAM, STATS, SUE, TIM};
use super::api::{described, named, names, numbers};
use crate::support::app::{Answer, App};
use crate::support::faults::{LOST, every_nth_call, lost_answers};

async fn with_faults(faults: impl Fn(&Call) -> Fault + Send + Sync + 'static) -> Api {
    Api::of(App::start_with(|options| options.faults = Some(Arc::new(faults))).await)
}

/// A cloud that loses the answers to some writes of one function, and the number of these writes.
async fn losing(fault: Fault, function: &'static str, operation: &'static str, in_a_row: u32) -> (Api, Arc<AtomicU32>) {
    let (faults, writes) = lost_answers(fault, function, operation, in_a_row);
    (with_faults(faults).await, writes)
}

/// Retries until the answer is not 503.
async fn insist(ask: impl AsyncFn() -> Answer) -> Answer {
    loop {
        let answer = ask().await;
        if answer.status != 503 {
            return answer;
        }
        assert_eq!(answer.is_problem(503)["detail"], "temporarily unavailable; send the same request again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retried_creation_after_lost_response_creates_once() {
    for (fault, in_a_row) in LOST {
        let (api, writes) = losing(fault, "CreatePackageFunction", "TransactWriteItems", in_a_row).await;
        api.quizzes(&["q"]).await;
        for id in ["a", "b"] {
            let made = insist(async || api.post(TIM, &named(id, &["q"])).await).await;
            assert!(made.status.is_success(), "{made:?}");
            let again = api.post(TIM, &named(id, &["q"])).await;
            assert_eq!((again.status.as_u16(), again.header("etag")), (201, made.header("etag")), "{fault:?}");
        }
        assert!(writes.load(Ordering::Relaxed) > 2, "no answer was lost");
        assert_eq!(api.of_creator("tim", "").await, [["a", "b"]]);
        api.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retried_update_after_lost_response_updates_once() {
    for (fault, in_a_row) in LOST {
        let (api, writes) = losing(fault, "UpdatePackageFunction", "TransactWriteItems", in_a_row).await;
        let (mut deeds, quizzes) = (Deeds::default(), names("q", 0..4));
        api.quizzes(&quizzes).await;
        for quiz in &quizzes {
            api.does(&mut deeds, SAM, quiz, Like).await;
        }
        let mut tag = api.made("p", &quizzes[..1]).await.header("etag").to_owned();
        for chosen in [&quizzes[..2], &quizzes[2..], &quizzes] {
            // A client that sent a version and got no answer may find that its own change has replaced it.
            let put = insist(async || api.put(TIM, "p", &[("if-match", &tag)], &described(chosen)).await).await;
            assert!(put.status == 200 || (put.status == 412 && in_a_row > 1), "{fault:?} {put:?}");
            let read = api.get("p").await;
            assert_eq!(read.body["quizIds"], json!(chosen), "{fault:?}");
            assert_ne!(read.header("etag"), tag);
            tag = read.header("etag").to_owned();
            assert_eq!(api.numbers("p").await, deeds.of(chosen), "{fault:?}");
        }
        assert!(writes.load(Ordering::Relaxed) > 3, "no answer was lost");
        api.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retried_deletion_after_lost_response_deletes() {
    for (fault, in_a_row) in LOST {
        let (api, writes) = losing(fault, "DeletePackageFunction", "TransactWriteItems", in_a_row).await;
        for id in ["a", "b"] {
            api.made::<&str>(id, &[]).await;
            let gone = insist(async || api.delete(TIM, id, &[]).await).await;
            assert!(gone.status == 204 || (gone.status == 404 && in_a_row > 1), "{fault:?} {gone:?}");
            api.get(id).await.is_problem(404);
        }
        assert!(writes.load(Ordering::Relaxed) > 2, "no answer was lost");
        assert_eq!(api.of_creator("tim", "").await, [Vec::<String>::new()]);
        api.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retried_rebuild_after_lost_response_starts() {
    for (operation, in_a_row) in [("PutItem", 1), ("PutItem", 2), ("SendMessageBatch", 1), ("SendMessageBatch", 2)] {
        let (api, writes) = losing(Fault::DropAfter, "StartPackageRebuildFunction", operation, in_a_row).await;
        api.made::<&str>("p", &[]).await;
        let begun = insist(async || api.call((Method::POST, REFRESHES), "", ROOT, &[], "").await).await;
        assert_eq!(begun.status, 202, "{operation} {begun:?}");
        api.app.settled().await;
        let refresh = begun.body["refreshId"].as_str().unwrap();
        let done = api.call((Method::GET, REFRESH), refresh, ROOT, &[], "").await;
        assert_eq!((&done.body["status"], &done.body["packages"]), (&json!("done"), &json!(1)));
        assert!(writes.load(Ordering::Relaxed) > 1, "no answer was lost");
        api.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn package_stats_are_exact_after_outage() {
    let (faults, calls) = every_nth_call(4, 7, |kind, call| match kind {
        0 => Fault::Throttle,
        1 if call.operation == "TransactWriteItems" => Fault::TransactionConflict,
        2 => Fault::DropAfter,
        3 => Fault::ServerErrorAfter,
        4 => Fault::TimeoutAfter,
        5 if call.service == Service::DynamoDb => Fault::Unprocessed(0b101),
        _ => Fault::DropBefore,
    });
    let api = with_faults(faults).await;
    let (mut deeds, quizzes) = (Deeds::default(), names("q", 0..6));
    for quiz in &quizzes {
        let answer = insist(async || api.put_quiz(quiz).await).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }
    let make = async |id: &str, chosen: &[String]| {
        let body = named(id, chosen).to_string();
        let made = insist(async || api.call((Method::POST, PACKAGES), "", TIM, &[], body.clone()).await).await;
        assert!(made.status.is_success(), "{made:?}");
    };
    let change = async |id: &str, chosen: &[String]| {
        let body = described(chosen).to_string();
        let put = insist(async || api.call((Method::PUT, PACKAGE), id, TIM, &[], body.clone()).await).await;
        assert_eq!(put.status, 200, "{put:?}");
    };
    make("kept", &quizzes[..3]).await;
    make("changed", &quizzes[..5]).await;
    make("again", &quizzes).await;
    for (number, quiz) in quizzes.iter().enumerate() {
        let number = number as u64;
        let done: [(_, Deed); 6] = [
            (SAM, Like),
            (SUE, Like),
            (SUE, Rate(number % 5 + 1)),
            (KAI, Attempt(number, number)),
            (ANN, Rate(2)),
            (SUE, Unlike),
        ];
        for (person, deed) in done {
            let answer = insist(async || api.tries(person, quiz, deed).await).await;
            assert!(answer.status.is_success(), "{answer:?}");
            deeds.note(person, quiz, deed);
        }
        change("changed", &quizzes[number as usize..]).await;
        let gone = insist(async || api.delete(TIM, "again", &[]).await).await;
        assert!([204, 404].contains(&gone.status.as_u16()), "{gone:?}");
        make("again", &quizzes[..number as usize]).await;
    }
    assert!(calls.load(Ordering::Relaxed) > 300);
    let expected = [("again", &quizzes[..5]), ("changed", &quizzes[5..]), ("kept", &quizzes[..3])];
    let all_are_right = async || {
        api.app.settled().await;
        let asked = "?packageId=again,changed,kept";
        let answer = insist(async || api.call((Method::GET, STATS), asked, SAM, &[], "").await).await;
        let told: Vec<&Value> = answer.body["packages"].as_array().unwrap().iter().collect();
        assert_eq!(told.len(), expected.len(), "{answer:?}");
        for (told, (id, held)) in told.into_iter().zip(&expected) {
            assert_eq!((&told["packageId"], numbers(told)), (&json!(id), deeds.of(held)));
        }
    };
    all_are_right().await;
    // A refresh gets through it too, and finds nothing to put right.
    let begun = insist(async || api.call((Method::POST, REFRESHES), "", ROOT, &[], "").await).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    all_are_right().await;
    let refresh = begun.body["refreshId"].as_str().unwrap();
    let done = insist(async || api.call((Method::GET, REFRESH), refresh, ROOT, &[], "").await).await;
    let told = ["status", "packages", "corrected", "failed"].map(|name| done.body[name].clone());
    assert_eq!(told, [json!("done"), json!(3), json!(0), json!(0)]);
    api.app.finish().await;
}
