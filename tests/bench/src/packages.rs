//! The cost of interactions with quizzes, including the stats of packages, and of reading these stats.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bench::table::{Table, ms, percentile};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use http::Method;
use replay::api::Api;
use serde_json::{Value, json};

use crate::options::Options;
use crate::staged::{Staged, used};

/// The present.
const NOW: &str = "2026-11-20T14:37:20Z";

/// Quizzes of each package: as many as it may hold.
const QUIZZES: usize = 500;

/// Packages: the page size of package stats.
const PACKAGES: usize = 100;

/// Quizzes that are in so many packages each.
const IN: [usize; 3] = [1, 10, 50];

/// Interactions of each row that are sent one by one, so that none shares what it costs.
const ALONE: usize = 40;

/// Interactions that are sent at once.
const TOGETHER: usize = 100;

/// Quizzes that interactions are spread over, and packages that they are in, one each.
const SPREAD: (usize, usize) = (200, 20);

/// People, at least: more where these would have done all that they can do only once.
const PEOPLE: usize = 100;

/// The rest between two requests for what shall show a like; the lag is known to this and the time of one request.
const INTERVAL: Duration = Duration::from_millis(2);

/// The polling interval of all packages.
const PAUSE: Duration = Duration::from_millis(20);

/// The interactions, a third of each kind.
const KINDS: [Kind; 3] = [Kind::Like, Kind::Rate, Kind::Attempt];

/// An interaction of a user with a quiz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Like,
    Rate,
    Attempt,
}

impl Kind {
    /// The number of a package that counts it.
    fn counted_as(self) -> &'static str {
        match self {
            Self::Like => "totalLikes",
            Self::Rate => "totalRatings",
            Self::Attempt => "totalAttempts",
        }
    }
}

pub(crate) async fn measure(options: &Options) -> anyhow::Result<Vec<(&'static str, Table)>> {
    let now: DateTime<Utc> = NOW.parse()?;
    let throughput = throughput(&Staged::start(now, options.patience).await?, options).await?;
    let cloud = full(now, options).await?;
    let tables = vec![
        ("Interactions with 200 quizzes, each in one of 20 packages", throughput),
        ("An interaction with a quiz in packages of 500 quizzes", units(&cloud).await?),
        ("From the answer to a like until every package shows it", lag(&cloud, options).await?),
        ("Stats of packages of 500 quizzes", reading(&cloud, options).await?),
    ];
    cloud.stop().await;
    Ok(tables)
}

fn in_packages(packages: usize) -> String {
    format!("in-{packages}")
}

/// A cloud with packages of maximum size. The first ones share quizzes.
async fn full(now: DateTime<Utc>, options: &Options) -> anyhow::Result<Staged> {
    let cloud = Staged::start(now, options.patience).await?;
    let shared = |package: usize| IN.iter().filter(move |packages| package < **packages).map(|n| in_packages(*n));
    let others: Vec<String> = (0..QUIZZES).map(|quiz| format!("quiz-{quiz}")).collect();
    put_quizzes(&cloud, others.iter().cloned().chain(shared(0)), options).await?;
    for package in 0..PACKAGES {
        let quizzes: Vec<String> = shared(package).chain(others.iter().cloned()).take(QUIZZES).collect();
        create_package(&cloud, package, &quizzes).await?;
    }
    cloud.drained().await?;
    Ok(cloud)
}

async fn put_quizzes(cloud: &Staged, quizzes: impl Iterator<Item = String>, options: &Options) -> anyhow::Result<()> {
    let put = |quiz| send(&cloud.api, Method::PUT, format!("/api/quizzes/{quiz}"), json!({"title": quiz}));
    let puts: Vec<_> = quizzes.map(put).collect();
    stream::iter(puts).buffer_unordered(options.connections).try_collect::<Vec<_>>().await.map(drop)
}

async fn create_package(cloud: &Staged, package: usize, quizzes: &[String]) -> anyhow::Result<()> {
    let body = json!({
        "packageId": format!("package-{package}"), "creatorId": "creator", "title": "Package",
        "price": 500, "currency": "INR", "quizIds": quizzes,
    });
    send(&cloud.api, Method::POST, "/api/packages".to_owned(), body).await.map(drop)
}

/// Sends a request that must be done; how long it took, and what was answered.
async fn send(api: &Api, method: Method, path: String, body: Value) -> anyhow::Result<(Duration, Value)> {
    let sent = Instant::now();
    let body = if method == Method::GET { Bytes::new() } else { body.to_string().into() };
    let answer = api.send(method, &path, body).await?;
    let took = sent.elapsed();
    ensure!(answer.status.is_success(), "{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
    Ok((took, serde_json::from_slice(&answer.body)?))
}

/// Does something to a quiz that the person has not done before.
async fn interact(api: &Api, kind: Kind, quiz: &str, number: usize) -> anyhow::Result<(Duration, Value)> {
    let (what, body) = match kind {
        Kind::Like => ("like", json!(null)),
        Kind::Rate => ("rate", json!({"rating": number % 5 + 1})),
        Kind::Attempt => ("attempt", json!({"attemptId": format!("attempt-{number}"), "score": 3, "maxScore": 4})),
    };
    send(api, Method::POST, format!("/api/quizzes/{quiz}/{what}"), body).await
}

/// Likes a quiz that is not liked, and takes that back from one that is: each is a fact.
async fn turn(cloud: &Staged, quiz: &str, on: bool) -> anyhow::Result<()> {
    let method = if on { Method::POST } else { Method::DELETE };
    let (_, answer) = send(&cloud.api, method, format!("/api/quizzes/{quiz}/like"), json!(null)).await?;
    ensure!(answer.get("changed") == Some(&json!(true)), "nothing was turned: {answer}");
    Ok(())
}

/// Interactions as fast as the API takes them.
async fn throughput(cloud: &Staged, options: &Options) -> anyhow::Result<Table> {
    let (quizzes, packages) = SPREAD;
    let name = |quiz: usize| format!("quiz-{quiz}");
    put_quizzes(cloud, (0..quizzes).map(name), options).await?;
    for package in 0..packages {
        let held: Vec<String> = (0..quizzes).filter(|quiz| quiz % packages == package).map(name).collect();
        create_package(cloud, package, &held).await?;
    }
    cloud.drained().await?;
    // Each user interacts with a quiz once per kind, so that every interaction counts.
    let rounds = options.interactions.div_ceil(KINDS.len() * quizzes);
    let people: Vec<Api> = (0..PEOPLE.max(rounds))
        .map(|person| cloud.person(&format!("person-{person}")))
        .collect::<anyhow::Result<_>>()?;
    // One quiz after the other: what comes right behind another of its quiz would share the way with it.
    let acts: Vec<(Kind, usize, &Api)> = (0..options.interactions)
        .filter_map(|number| {
            let (turn, quiz) = (number / quizzes, number % quizzes);
            let person = people.get((turn / KINDS.len() + quiz) % people.len())?;
            Some((*KINDS.get((turn + quiz) % KINDS.len())?, quiz, person))
        })
        .collect();
    let of = |package, kind| acts.iter().filter(|act| act.0 == kind && act.1 % packages == package).count() as u64;
    let expected: Vec<_> = (0..packages).map(|package| KINDS.map(|kind| of(package, kind))).collect();
    let sent: Vec<_> = acts
        .iter()
        .enumerate()
        .map(|(number, (kind, quiz, person))| async move { interact(person, *kind, &name(*quiz), number).await })
        .collect();
    cloud.metered();
    let began = Instant::now();
    let answers: Vec<(Duration, Value)> =
        stream::iter(sent).buffer_unordered(options.connections).try_collect().await?;
    let took = began.elapsed();
    let answered = Instant::now();
    while counted(cloud, packages).await? != expected {
        ensure!(answered.elapsed() < options.patience, "not all is visible within {:?}", options.patience);
        tokio::time::sleep(PAUSE).await;
    }
    let visible = answered.elapsed();
    cloud.drained().await?;
    ensure!(counted(cloud, packages).await? == expected, "something was counted twice");
    let mut latencies: Vec<Duration> = answers.into_iter().map(|(took, _)| took).collect();
    latencies.sort_unstable();
    let metered = cloud.metered();
    let each =
        |functions: &[&str]| format!("{:.2}", used(&metered, functions).write_units / options.interactions as f64);
    let mut table = Table::new([
        "likes, ratings and attempts",
        "people",
        "a second",
        "p50 ms",
        "p99 ms",
        "all visible after ms",
        "writes, API",
        "writes, package-stats-updater",
    ]);
    table.row([
        format!("{}", options.interactions),
        format!("{}", people.len()),
        format!("{:.0}", options.interactions as f64 / took.as_secs_f64()),
        ms(percentile(&latencies, 50)),
        ms(percentile(&latencies, 99)),
        ms(visible),
        each(&["LikeQuiz", "RateQuiz", "RecordQuizAttempt"]),
        each(&["PackageStatsUpdater"]),
    ]);
    Ok(table)
}

/// The likes, ratings and attempts of the first packages.
async fn counted(cloud: &Staged, packages: usize) -> anyhow::Result<Vec<[u64; KINDS.len()]>> {
    let number = |one: &Value, kind: Kind| one.get(kind.counted_as()).and_then(Value::as_u64);
    let counts = |one: &Value| KINDS.map(|kind| number(one, kind).unwrap_or_default());
    Ok(stats(cloud, packages).await?.iter().map(counts).collect())
}

/// The stats of the first packages.
async fn stats(cloud: &Staged, packages: usize) -> anyhow::Result<Vec<Value>> {
    let (_, answer) = send(&cloud.api, Method::GET, path_of(packages), json!(null)).await?;
    let told = answer.get("packages").and_then(Value::as_array).cloned().context("no packages")?;
    ensure!(told.len() == packages, "{} of {packages} packages answered", told.len());
    Ok(told)
}

fn path_of(packages: usize) -> String {
    let ids: Vec<String> = (0..packages).map(|package| format!("package-{package}")).collect();
    format!("/api/packages/stats?packageId={}", ids.join(","))
}

/// Capacity units of an interaction.
async fn units(cloud: &Staged) -> anyhow::Result<Table> {
    let mut table = Table::new([
        "interactions",
        "packages",
        "writes each",
        "of them like-quiz or record-quiz-attempt",
        "package-stats-updater",
        "reads each",
    ]);
    let mut row = |what: String, packages: usize, count: usize| {
        let metered = cloud.metered();
        let of = |functions: &[&str]| used(&metered, functions);
        let (asked, updated) = (of(&["LikeQuiz", "RecordQuizAttempt"]), of(&["PackageStatsUpdater"]));
        let each = |units: f64| format!("{:.2}", units / count as f64);
        table.row([
            what,
            format!("{packages}"),
            each(asked.write_units + updated.write_units),
            each(asked.write_units),
            each(updated.write_units),
            each(asked.read_units + updated.read_units),
        ]);
    };
    for packages in IN {
        cloud.drained().await?;
        cloud.metered();
        for number in 0..ALONE {
            turn(cloud, &in_packages(packages), number % 2 == 0).await?;
            cloud.drained().await?;
        }
        row(format!("{ALONE} likes and unlikes, one by one"), packages, ALONE);
    }
    for packages in IN {
        let quiz = in_packages(packages);
        let sent: Vec<_> = (0..TOGETHER)
            .map(|number| {
                let quiz = &quiz;
                async move { interact(&cloud.api, Kind::Attempt, quiz, number).await }
            })
            .collect();
        stream::iter(sent).buffer_unordered(TOGETHER).try_collect::<Vec<_>>().await?;
        cloud.drained().await?;
        row(format!("{TOGETHER} attempts at once"), packages, TOGETHER);
    }
    Ok(table)
}

/// The time until a like appears in the stats of all packages.
async fn lag(cloud: &Staged, options: &Options) -> anyhow::Result<Table> {
    let mut table = Table::new(["packages", "likes", "p50 ms", "p99 ms", "longest ms"]);
    for packages in IN {
        let quiz = in_packages(packages);
        let mut lags = Vec::with_capacity(options.probes);
        for number in 0..options.probes {
            let before = likes(cloud, packages).await?;
            turn(cloud, &quiz, number % 2 == 0).await?;
            let answered = Instant::now();
            while likes(cloud, packages).await?.iter().zip(&before).any(|(now, before)| now == before) {
                ensure!(answered.elapsed() < options.patience, "a like did not show within {:?}", options.patience);
                tokio::time::sleep(INTERVAL).await;
            }
            lags.push(answered.elapsed());
            // Random pauses, so that likes do not synchronize with periodic work.
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..20))).await;
        }
        lags.sort_unstable();
        table.row([
            format!("{packages}"),
            format!("{}", options.probes),
            ms(percentile(&lags, 50)),
            ms(percentile(&lags, 99)),
            ms(percentile(&lags, 100)),
        ]);
    }
    Ok(table)
}

/// The likes of each of the first packages.
async fn likes(cloud: &Staged, packages: usize) -> anyhow::Result<Vec<i64>> {
    let of = |one: &Value| one.get("totalLikes").and_then(Value::as_i64).context("no likes");
    stats(cloud, packages).await?.iter().map(of).collect()
}

/// The cost of reading stats.
async fn reading(cloud: &Staged, options: &Options) -> anyhow::Result<Table> {
    let mut table = Table::new(["request", "p50 ms", "p99 ms", "read units", "each package"]);
    let of_creator = format!("/api/packages/stats?creatorId=creator&limit={PACKAGES}");
    let requests = [
        ("one package".to_owned(), path_of(1), 1),
        (format!("{PACKAGES} packages"), path_of(PACKAGES), PACKAGES),
        (format!("a page of {PACKAGES}, by creator"), of_creator, PACKAGES),
    ];
    for (name, path, packages) in requests {
        let asked = cloud.ask(&path, options.requests, "GetPackageStats").await?;
        table.row([
            name,
            ms(asked.p50),
            ms(asked.p99),
            format!("{:.1}", asked.read_units),
            format!("{:.2}", asked.read_units / packages as f64),
        ]);
    }
    Ok(table)
}
