//! A rebuild recomputes the stats of all packages: it repairs wrong ones and leaves right ones unchanged.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::id::PackageId;
use http::Method;
use serde_json::{Value, json};
use store::keys;

use super::api::Deed::{Attempt, Like, Rate};
use super::api::{ANN, Api, Deeds, EVE, KAI, REFRESH, REFRESHES, ROOT, SAM, SUE, TIM, key, named, names};
use super::earnings::sold;
use crate::support::app::App;
use crate::support::clock::OffsetClock;

/// Starts a rebuild and returns its id.
async fn begin(api: &Api) -> String {
    let begun = api.call((Method::POST, REFRESHES), "", ROOT, &[], "").await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let id = begun.body["refreshId"].as_str().unwrap().to_owned();
    assert_eq!(begun.header("location"), format!("/api/admin/packages/refresh/{id}"));
    id
}

async fn progress(api: &Api, refresh: &str) -> Value {
    let answer = api.call((Method::GET, REFRESH), refresh, ROOT, &[], "").await;
    assert_eq!((answer.status.as_u16(), &answer.body["refreshId"]), (200, &json!(refresh)), "{answer:?}");
    answer.body
}

/// Rebuilds all packages. Returns how many were processed, corrected, and unreadable.
async fn refreshed(api: &Api) -> [u64; 3] {
    let refresh = begin(api).await;
    let begun = progress(api, &refresh).await;
    assert!(begun["status"] == "running" || begun["lanes"]["ended"] == 16, "{begun}");
    let total = json!({"Key": key(&format!("REFRESH#{refresh}"), "T"), "ConsistentRead": true});
    api.app
        .eventually("the refresh is done", || {
            api.app.database("GetItem", "StatsTable", total.clone())["Item"]["lanes"]["N"] == "16"
        })
        .await;
    let done = progress(api, &refresh).await;
    assert_eq!((&done["status"], &done["lanes"]), (&json!("done"), &json!({"ended": 16, "of": 16})));
    assert_eq!(done["startedAt"], begun["startedAt"]);
    // Tasks that end at the same time may each record a time later than the other's.
    assert!(done["asOf"].as_str() >= done["startedAt"].as_str(), "{done}");
    told(&done)
}

fn told(progress: &Value) -> [u64; 3] {
    ["packages", "corrected", "failed"].map(|name| progress[name].as_u64().unwrap())
}

/// So many ids of packages that are listed in this lane.
fn in_lane(lane: u8, count: usize) -> Vec<String> {
    let all = names("p", 0..1_000).into_iter();
    let listed = |id: &String| keys::listed_package(&id.parse::<PackageId>().unwrap()).pk == keys::packages(lane);
    let ids: Vec<String> = all.filter(listed).take(count).collect();
    assert_eq!(ids.len(), count);
    ids
}

/// The event with which the queue delivers this task.
fn delivery(refresh: &str, lane: u8) -> Value {
    json!({"Records": [{
        "messageId": "m", "receiptHandle": "h", "body": json!({"refresh": refresh, "lane": lane}).to_string(),
        "attributes": {"ApproximateReceiveCount": "2"}, "messageAttributes": {}, "md5OfBody": "",
        "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:q", "awsRegion": "us-east-1",
    }]})
}

/// The ways in which numbers can be wrong.
struct Vandal<'a>(&'a Api);

impl Vandal<'_> {
    fn stats(&self, operation: &str, request: Value) -> Value {
        self.0.app.database(operation, "StatsTable", request)
    }

    fn item(&self, pk: &str, sk: &str) -> Value {
        let item = self.stats("GetItem", json!({"Key": key(pk, sk), "ConsistentRead": true}))["Item"].clone();
        assert!(item.is_object(), "there is no {pk} {sk}");
        item
    }

    /// Changes attributes of an item that is there.
    fn spoil(&self, pk: &str, sk: &str, patch: &Value) {
        let mut item = self.item(pk, sk);
        for (name, value) in patch.as_object().unwrap() {
            item[name] = value.clone();
        }
        self.stats("PutItem", json!({"Item": item}));
    }

    fn lose(&self, pk: &str, sk: &str) {
        self.item(pk, sk);
        self.stats("DeleteItem", json!({"Key": key(pk, sk)}));
    }

    fn invent(&self, pk: &str, sk: &str, rest: &Value) {
        let mut item = key(pk, sk);
        for (name, value) in rest.as_object().unwrap() {
            item[name] = value.clone();
        }
        self.stats("PutItem", json!({"Item": item}));
    }

    /// Loses all numbers of a package, and that its quizzes are in it: so was a package before there were numbers.
    fn forget(&self, package: &str, quizzes: &[&str]) {
        self.lose(package, "T");
        for quiz in quizzes {
            self.lose(package, &format!("C#QUIZ#{quiz}"));
            self.lose(&format!("QUIZ#{quiz}"), &package.replace("PACKAGE#", "IN#"));
        }
    }
}

/// Packages in three lanes: one lane needs two tasks, and one ends with a full task. All contain "q" and "r".
async fn start() -> (Api, Deeds, Vec<String>) {
    let (api, mut deeds) = (Api::start().await, Deeds::default());
    api.quizzes(&["q", "r", "s"]).await;
    let packages = [in_lane(3, 25), in_lane(5, 20), in_lane(11, 4)].concat();
    for package in &packages {
        api.made(package, &["q", "r"]).await;
    }
    for quiz in ["q", "r", "s"] {
        for (person, deed) in [(SAM, Like), (SUE, Rate(4)), (KAI, Attempt(1, 6))] {
            api.does(&mut deeds, person, quiz, deed).await;
        }
    }
    api.app.settled().await;
    (api, deeds, packages)
}

async fn all_are_right(api: &Api, deeds: &Deeds, packages: &[String]) {
    for package in packages {
        assert_eq!(api.numbers(package).await, deeds.of(&["q", "r"]), "{package}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuild_repairs_and_counts_each_package_once() {
    let (api, mut deeds, packages) = start().await;
    let all = packages.len() as u64;
    all_are_right(&api, &deeds, &packages).await;
    assert_eq!(refreshed(&api).await, [all, 0, 0], "what is right needs no correction");

    let vandal = Vandal(&api);
    let mut ids = packages.iter().map(String::as_str);
    let mut next = || ids.next().unwrap();
    let of = |id: &str| format!("PACKAGE#{id}");
    // Sums that are too high, negative, or of an unknown name.
    vandal.spoil(&of(next()), "T", &json!({"likes": {"N": "1000"}, "attempts": {"N": "-3"}}));
    vandal.spoil(&of(next()), "T", &json!({"ratings": {"N": "0"}, "claps": {"N": "7"}}));
    // Another figure in the same item.
    vandal.spoil(&of(next()), "T", &json!({"creator": {"S": "eve"}}));
    vandal.spoil(&of(next()), "T", &json!({"currency": {"S": "USD"}}));
    // A contribution that is wrong, with its package or alone; one that claims to be of another version.
    let both = next();
    vandal.spoil(&of(both), "C#QUIZ#r", &json!({"likes": {"N": "77"}}));
    vandal.spoil(&of(both), "T", &json!({"likes": {"N": "78"}}));
    vandal.spoil(&of(next()), "C#QUIZ#r", &json!({"attempts": {"N": "9"}, "scoreSum": {"N": "1"}}));
    vandal.spoil(&of(next()), "C#QUIZ#r", &json!({"of": {"S": "other"}}));
    // A quiz that does not name the package, a package that does not have the quiz, or neither.
    let nameless = next();
    vandal.lose("QUIZ#q", &format!("IN#{nameless}"));
    vandal.lose(&of(next()), "C#QUIZ#q");
    let neither = next();
    vandal.lose(&of(neither), "C#QUIZ#r");
    vandal.lose("QUIZ#r", &format!("IN#{neither}"));
    // A quiz that stayed though the package does not hold it.
    let leftover = next();
    vandal.invent(&of(leftover), "C#QUIZ#s", &json!({"version": {"S": "x"}, "of": {"S": "y"}, "likes": {"N": "5"}}));
    vandal.invent("QUIZ#s", &format!("IN#{leftover}"), &json!({}));
    // No numbers, or none of all that they are made of: a package that is older than its numbers.
    let untold = next();
    vandal.lose(&of(untold), "T");
    let old = next();
    vandal.forget(&of(old), &["q", "r"]);
    // Purchases without a contribution.
    let rich = next();
    sold(&api, rich, "v", &[("INR", 4_200)]);
    // The same in the other lanes, at the end of the first task and in the second.
    for late in [19, 20, 24, 25, 44, 45, 48] {
        vandal.spoil(&of(&packages[late]), "T", &json!({"likes": {"N": "5"}}));
    }
    let spoiled = 14 + 7;

    // Meanwhile there is traffic; items that lost their figures or references are not reached.
    api.does(&mut deeds, ANN, "q", Like).await;
    api.app.settled().await;
    for lost in [untold, old] {
        api.asked(TIM, &format!("?packageId={lost}"), &[]).await.is_problem(404);
    }
    assert_ne!(api.numbers(nameless).await, deeds.of(&["q", "r"]));

    let [packages_seen, corrected, failed] = refreshed(&api).await;
    assert_eq!((packages_seen, corrected, failed), (all, spoiled, 0));
    all_are_right(&api, &deeds, &packages).await;
    for package in &packages {
        let stats = api.stats(TIM, package).await;
        let earned = if package == rich { 4_200 } else { 0 };
        assert_eq!((&stats["creatorId"], &stats["currency"]), (&json!("tim"), &json!("INR")), "{package}");
        assert_eq!(stats["earnings"], earned, "{package}");
    }
    assert_eq!(refreshed(&api).await, [all, 0, 0], "a second refresh finds nothing");
    // They are reached again, and by nothing else.
    for (person, quiz, deed) in [(EVE, "q", Like), (EVE, "r", Rate(1)), (EVE, "s", Like), (KAI, "r", Attempt(2, 8))] {
        api.does(&mut deeds, person, quiz, deed).await;
    }
    all_are_right(&api, &deeds, &packages).await;
    assert_eq!(refreshed(&api).await, [all, 0, 0]);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redelivered_task_counts_once() {
    let (api, deeds, packages) = start().await;
    let all = packages.len() as u64;
    let refresh = begin(&api).await;
    api.app.settled().await;
    let done = progress(&api, &refresh).await;
    assert_eq!(told(&done), [all, 0, 0]);

    // The task is redelivered, twice at once and then once more. What it finds wrong now counts once.
    Vandal(&api).spoil(&format!("PACKAGE#{}", packages[0]), "T", &json!({"likes": {"N": "1000"}}));
    let legs = [delivery(&refresh, 3), delivery(&refresh, 3)];
    let again = legs.iter().map(|leg| api.app.invoke("PackageRebuildWorkerFunction", leg));
    for answer in futures::future::join_all(again).await {
        assert_eq!(answer.unwrap(), json!({"batchItemFailures": []}));
    }
    for lane in [3, 5, 11, 0] {
        let answer = api.app.invoke("PackageRebuildWorkerFunction", &delivery(&refresh, lane)).await.unwrap();
        assert_eq!(answer, json!({"batchItemFailures": []}));
    }
    api.app.settled().await;
    let again = progress(&api, &refresh).await;
    assert_eq!(told(&again), [all, 1, 0]);
    assert_eq!((&again["status"], &again["lanes"]), (&json!("done"), &json!({"ended": 16, "of": 16})));
    all_are_right(&api, &deeds, &packages).await;
    // A task of an unknown or old rebuild does its work and starts no rebuild.
    Vandal(&api).spoil(&format!("PACKAGE#{}", packages[1]), "T", &json!({"likes": {"N": "1000"}}));
    api.app.invoke("PackageRebuildWorkerFunction", &delivery("nobody-s", 3)).await.unwrap();
    all_are_right(&api, &deeds, &packages).await;
    api.call((Method::GET, REFRESH), "nobody-s", ROOT, &[], "").await.is_problem(404);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_created_or_deleted_during_rebuild_are_exact() {
    let (api, mut deeds, mut packages) = start().await;
    for round in 0..3 {
        let refresh = begin(&api).await;
        let gone = packages.remove(round * 7);
        let new = format!("new{round}");
        let body = named(&new, &["r", "q"]);
        let (_, made, ()) = tokio::join!(api.deleted(&gone), api.post(TIM, &body), async {
            for (person, deed) in [(ANN, Attempt(round as u64, 3)), (KAI, Rate(round as u64 + 1))] {
                api.does(&mut deeds, person, "q", deed).await;
            }
        });
        assert_eq!(made.status, 201, "{made:?}");
        packages.push(new);
        all_are_right(&api, &deeds, &packages).await;
        let done = progress(&api, &refresh).await;
        assert_eq!((&done["status"], &done["failed"]), (&json!("done"), &json!(0)));
        api.asked(TIM, &format!("?packageId={gone}"), &[]).await.is_problem(404);
    }
    assert_eq!(refreshed(&api).await, [packages.len() as u64, 0, 0]);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_package_blocks_no_other() {
    let (api, deeds, packages) = start().await;
    let all = packages.len() as u64;
    let document = |package: &str| {
        let wanted = json!({"Key": key(&format!("PACKAGE#{package}"), "DOC"), "ConsistentRead": true});
        api.app.database("GetItem", "StateTable", wanted)["Item"].clone()
    };
    let put = |item: &Value| drop(api.app.database("PutItem", "StateTable", json!({"Item": item})));
    let wholes = [0, 22, 47].map(|at: usize| document(&packages[at]));
    for (whole, (name, garbage)) in wholes.iter().zip([
        ("currency", json!({"S": "XXX"})),
        ("price", json!({"S": "much"})),
        ("creator", json!({"N": "7"})),
    ]) {
        let mut broken = whole.clone();
        assert!(broken[name].is_object(), "{broken}");
        broken[name] = garbage;
        put(&broken);
    }
    for spoiled in [1, 24, 30, 48] {
        Vandal(&api).spoil(&format!("PACKAGE#{}", packages[spoiled]), "T", &json!({"likes": {"N": "5"}}));
    }
    assert_eq!(refreshed(&api).await, [all, 4, 3]);
    all_are_right(&api, &deeds, &packages).await;
    wholes.iter().for_each(put);
    assert_eq!(refreshed(&api).await, [all, 0, 0]);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuild_repairs_package_after_manual_fix_of_quiz_list() {
    let (api, mut deeds) = (Api::start().await, Deeds::default());
    api.quizzes(&["q", "r"]).await;
    api.made("p", &["q"]).await;
    api.made("other", &["r"]).await;
    let wanted = json!({"Key": key("PACKAGE#p", "DOC"), "ConsistentRead": true});
    let whole = api.app.database("GetItem", "StateTable", wanted)["Item"].clone();
    let mut broken = whole.clone();
    broken["quizzes"] = json!({"S": "q"});
    api.app.database("PutItem", "StateTable", json!({"Item": broken}));
    for quiz in ["q", "r"] {
        api.does(&mut deeds, SAM, quiz, Like).await;
    }
    assert_eq!(api.numbers("other").await, deeds.of(&["r"]), "what is poison to one package does not keep the others");
    Vandal(&api).spoil("PACKAGE#other", "T", &json!({"likes": {"N": "5"}}));
    assert_eq!(refreshed(&api).await, [2, 1, 1]);
    let mut mended = whole;
    mended["quizzes"] = json!({"L": [{"S": "r"}]});
    api.app.database("PutItem", "StateTable", json!({"Item": mended}));
    api.app.settled().await;
    assert_eq!(refreshed(&api).await[2], 0);
    assert_eq!(api.numbers("p").await, deeds.of(&["r"]));
    assert_eq!(api.numbers("other").await, deeds.of(&["r"]));
    // The operator whom the alarm calls sees the broken list.
    api.app.finish_with_failures(&["PackageStatsFailuresQueue"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_dead_lettered_and_its_batch_completes() {
    let clock = Arc::new(OffsetClock::default());
    let app = App::start_with(|options| {
        options.clock = clock.clone();
        options.schedules = false;
    });
    let api = Api::of(app.await);
    api.quizzes(&["q"]).await;
    api.made("p", &["q"]).await;
    api.app.settled().await;
    Vandal(&api).spoil("PACKAGE#p", "T", &json!({"likes": {"N": "5"}}));
    let queue = api.app.cloud.queue("PackageRebuildQueue").unwrap();
    let poison =
        ["garbage", "{}", r#"{"refresh": "r", "lane": 1, "to": "nowhere"}"#, r#"{"refresh": "a b", "lane": 1}"#];
    for body in poison {
        api.app.cloud.queues().send(queue, body).unwrap();
    }
    assert_eq!(refreshed(&api).await, [1, 1, 0]);
    assert_eq!(api.stats_now(TIM, "p").await["totalLikes"], 0);
    // Each try hides a message for six minutes; the fifth is the last.
    let mut minutes = 0;
    api.app
        .eventually("the poison is among the dead letters", || {
            if api.app.cloud.queues().depth(queue).unwrap().visible == 0 {
                minutes += 1;
                clock.set_offset(TimeDelta::minutes(minutes));
            }
            api.app.queue_depth("PackageRebuildFailuresQueue") == poison.len() as u64
        })
        .await;
    assert_eq!(api.app.queue_depth("PackageRebuildQueue"), 0);
    api.app.finish_with_failures(&["PackageRebuildFailuresQueue"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuild_requires_admin() {
    let api = Api::start().await;
    api.made::<&str>("p", &[]).await;
    for person in [TIM, EVE, SAM, ANN] {
        let problem = api.call((Method::POST, REFRESHES), "", person, &[], "").await;
        assert_eq!(problem.is_problem(403)["detail"], "only an admin may start and read package rebuilds");
    }
    api.app.settled().await;
    let refresh = begin(&api).await;
    for person in [TIM, EVE, SAM, ANN] {
        api.call((Method::GET, REFRESH), &refresh, person, &[], "").await.is_problem(403);
    }
    let unknown = api.call((Method::GET, REFRESH), "unknown", ROOT, &[], "").await;
    assert_eq!(unknown.is_problem(404)["detail"], "there is no package rebuild unknown");
    let answer = api.call((Method::GET, REFRESH), "a%20b", ROOT, &[], "").await;
    assert_eq!(answer.is_problem(422)["errors"][0]["field"], "refreshId");
    // Two at once do not get into each other's way.
    let other = begin(&api).await;
    assert_ne!(refresh, other);
    api.app.settled().await;
    for refresh in [refresh, other] {
        assert_eq!(told(&progress(&api, &refresh).await), [1, 0, 0]);
    }
    api.app.finish().await;
}
