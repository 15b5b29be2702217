//! The delay until an open page receives an event, with a real Pusher server and the real `pusher-js`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bench::table::{Table, ms, percentile};
use domain::time::Time;
use futures::stream::{self, StreamExt, TryStreamExt};
use http::Method;
use live::{Page, Sockudo, Tools};
use local::channels::Application;
use local::cloud::{self, LocalCloud};
use local::tokens::{self, Claims};
use replay::api::{Api, Credential, Patience};
use serde_json::{Value, json};
use system::clock::{Clock, SystemClock};

use crate::options::Options;

/// Events that are published once a second.
const NUMBERS: &str = "stats-update";

/// Random offset, so that requests do not synchronize with full seconds.
const SECOND: Duration = Duration::from_secs(1);

/// People who buy at the same time.
const BUYERS: usize = 100;

/// Nothing, where there is no server of channels.
pub(super) async fn measure(options: &Options) -> anyhow::Result<Option<Table>> {
    let tools = Tools::installed()?;
    let program = tools.as_ref().map(Tools::sockudo).transpose()?.flatten();
    let (Some(tools), Some(program)) = (tools, program) else {
        println!("Pages are left out: there is no server of channels; tests/live/install installs one.\n");
        return Ok(None);
    };
    let server = Sockudo::start(&program).await?;
    let mut cloud = cloud::Options::of_workspace().without_limits();
    let [app, key, secret] = [server.app(), &server.place().key, server.secret()].map(str::to_owned);
    cloud.publish_to(&Application { app, key, secret }, &server.url());
    // One seller sells all of them.
    cloud.parameters.insert("SellerSalesPerDay".to_owned(), "1000000".to_owned());
    let site = Site { cloud: LocalCloud::start(cloud).await?, tools, server };
    let table = table(&site, options).await?;
    site.cloud.stop().await;
    Ok(Some(table))
}

struct Site {
    cloud: LocalCloud,
    tools: Tools,
    server: Sockudo,
}

/// The delay until a page receives the event, from the request and from its answer.
#[derive(Default)]
struct Lags {
    of_requests: Vec<Duration>,
    of_answers: Vec<Duration>,
}

impl Lags {
    fn push(&mut self, sent: Instant, answered: Instant, told: Instant) {
        self.of_requests.push(told.saturating_duration_since(sent));
        self.of_answers.push(told.saturating_duration_since(answered));
    }

    fn row(mut self, table: &mut Table, what: &str) {
        self.of_requests.sort_unstable();
        self.of_answers.sort_unstable();
        let [answer, request] = [&self.of_answers, &self.of_requests];
        table.row([
            what.to_owned(),
            format!("{}", request.len()),
            ms(percentile(answer, 50)),
            ms(percentile(answer, 99)),
            ms(percentile(request, 50)),
            ms(percentile(request, 99)),
        ]);
    }
}

impl Site {
    fn token(&self, subject: &str, role: &str) -> anyhow::Result<String> {
        let claims = Claims { secret: self.cloud.jwt_secret().to_owned(), ..Claims::default() };
        tokens::token(&claims, subject, role, SystemClock.now())
    }

    fn api(&self, subject: &str, role: &str) -> anyhow::Result<Api> {
        let token = Credential::Token(self.token(subject, role)?);
        Ok(Api::new(self.cloud.api_url(), Some(&token), Patience::default())?)
    }

    /// A user's page that is subscribed to a channel.
    async fn page(&self, subject: &str, role: &str, channel: &str) -> anyhow::Result<Page> {
        let mut page = Page::open(
            &self.tools,
            self.server.place(),
            self.cloud.api_url(),
            &self.token(subject, role)?,
            &[channel],
        )?;
        page.listens(&[channel]).await?;
        Ok(page)
    }
}

/// A user's request with a new idempotency key.
struct Call<'a> {
    api: &'a Api,
    path: String,
    key: String,
    body: Value,
}

impl<'a> Call<'a> {
    fn of(api: &'a Api, path: &str, key: String, body: Value) -> Self {
        Self { api, path: path.to_owned(), key, body }
    }

    /// When it was sent, what is answered, and when.
    async fn send(self) -> anyhow::Result<(Instant, Value, Instant)> {
        let Self { api, path, key, body } = self;
        let sent = Instant::now();
        let answer = api.send_once(Method::POST, &path, Some(&key), body.to_string().into()).await?;
        let answered = Instant::now();
        ensure!(answer.status.is_success(), "{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        Ok((sent, serde_json::from_slice(&answer.body)?, answered))
    }
}

/// Makes requests one after the other, each when the page was told of the one before. What is told of one says so by its
/// number or its answer.
async fn each<'a>(
    page: &mut Page,
    event: &str,
    calls: impl IntoIterator<Item = Call<'a>>,
    is_it: impl Fn(usize, &Value, &Value) -> bool,
) -> anyhow::Result<Lags> {
    let mut lags = Lags::default();
    for (number, call) in calls.into_iter().enumerate() {
        let (sent, answer, answered) = call.send().await?;
        let told = loop {
            let told = page.next().await?;
            if told["event"] == event && is_it(number, &answer, &told["data"]) {
                break told.at;
            }
        };
        lags.push(sent, answered, told);
        if event == NUMBERS {
            tokio::time::sleep(SECOND.mul_f64(fastrand::f64())).await;
        }
    }
    Ok(lags)
}

fn text<'a>(value: &'a Value, pointer: &str) -> anyhow::Result<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no {pointer} in {value}"))
}

/// The field by which an event is matched with the answer.
fn same(thing: &str, field: &str) -> impl Fn(usize, &Value, &Value) -> bool {
    move |_, answer, data| {
        let told = data.get(thing).and_then(|thing| thing.get(field));
        told.is_some() && told == answer.get(field)
    }
}

async fn table(site: &Site, options: &Options) -> anyhow::Result<Table> {
    let mut table =
        Table::new(["event", "how many", "from the answer, p50 ms", "p99 ms", "from the request, p50 ms", "p99 ms"]);
    things(site, options, &mut table).await?;
    numbers(site, options, &mut table).await?;
    together(site, options, &mut table).await?;
    Ok(table)
}

/// Events that are published immediately.
async fn things(site: &Site, options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let (root, count) = (&site.api("root", "admin")?, options.probes);
    let course = json!({"title": "Algebra"}).to_string();
    site.api("tim", "teacher")?.send(Method::PUT, "/api/courses/algebra", course.into()).await?;
    let mut sam = site.page("sam", "student", "private-user-sam").await?;
    let mut tim = site.page("tim", "teacher", "private-course-enrollments-algebra").await?;

    let calls = (0..count).map(|number| {
        let body = json!({"userId": "sam", "title": "Hello", "message": "m", "type": "info"});
        Call::of(root, "/api/notifications", format!("n-{number}"), body)
    });
    let is_it = |_, answer: &Value, data: &Value| data["id"] == answer["notificationId"];
    each(&mut sam, "new-notification", calls, is_it).await?.row(table, "a notification");

    let calls = (0..count).map(|number| {
        let body = json!({"courseId": "algebra", "studentId": format!("student-{number}")});
        Call::of(root, "/api/enrollments", format!("e-{number}"), body)
    });
    let is_it = same("enrollment", "studentId");
    each(&mut tim, "new-enrollment", calls, is_it).await?.row(table, "an enrollment");

    let sams = json!({"courseId": "algebra", "studentId": "sam"});
    Call::of(root, "/api/enrollments", "sam".to_owned(), sams).send().await?;
    let accepted = json!({"courseId": "algebra", "studentId": "sam", "status": "active"}).to_string();
    let answer = root.send(Method::PATCH, "/api/enrollments", accepted.into()).await?;
    ensure!(answer.status.is_success(), "Sam is not accepted: {}", answer.status);
    let calls = (0..count).map(|number| {
        let body = json!({"courseId": "algebra", "studentId": "sam", "title": "Test", "score": 7, "maxScore": 10});
        Call::of(root, "/api/scores", format!("s-{number}"), body)
    });
    each(&mut sam, "new-score", calls, same("score", "scoreId")).await?.row(table, "a score");

    let calls = (0..count).map(|number| {
        let status = if number % 2 == 0 { "present" } else { "absent" };
        let body = json!({"courseId": "algebra", "studentId": "sam", "date": "2026-01-31", "status": status});
        Call::of(root, "/api/attendance", format!("a-{number}"), body)
    });
    let is_it = same("attendance", "markedAt");
    each(&mut sam, "attendance-marked", calls, is_it).await?.row(table, "an attendance mark");

    let calls = (0..count).map(|number| buys(root, "sam", &format!("bought-{number}"), "completed"));
    let is_it = same("purchase", "purchaseId");
    each(&mut sam, "purchase-completed", calls, is_it).await?.row(table, "a purchase");

    let mut calls = Vec::with_capacity(count);
    for number in 0..count {
        let (_, waits, _) = buys(root, "sam", &format!("waits-{number}"), "pending").send().await?;
        let body = json!({"purchaseId": text(&waits, "/purchaseId")?});
        let (_, payment, _) = Call::of(root, "/api/payments", format!("p-{number}"), body).send().await?;
        let id = text(&payment, "/paymentId")?;
        calls.push(Call::of(root, &format!("/api/payments/{id}/approve"), format!("ap-{number}"), json!({})));
    }
    let is_it = same("payment", "paymentId");
    each(&mut sam, "payment-approved", calls, is_it).await?.row(table, "a payment's approval");
    Ok(())
}

fn buys<'a>(root: &'a Api, person: &str, item: &str, status: &str) -> Call<'a> {
    let body = json!({
        "itemType": "course", "itemId": item, "userId": person, "amount": 999, "currency": "USD",
        "paymentMethod": "card", "status": status,
    });
    Call::of(root, "/api/purchases", format!("{person}-{item}"), body)
}

/// Events that are published at the end of a second; fewer, because each takes a second.
async fn numbers(site: &Site, options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let (root, ann, count) = (&site.api("root", "admin")?, &site.api("ann", "seller")?, options.probes.div_ceil(3));
    let mut page = site.page("sam", "student", "public-track-song").await?;
    let calls = (0..count).map(|number| {
        let event = json!({
            "id": format!("live-{number}"), "type": "play", "trackId": "song", "sessionId": format!("s-{number}"),
            "timestamp": Time::from(SystemClock.now()), "source": "player", "duration": 42,
        });
        Call::of(root, "/api/stats/events", format!("live-{number}"), json!({"events": [event]}))
    });
    let is_it = |number, _: &Value, data: &Value| {
        data.pointer("/counters/totalPlays").is_some_and(|plays| *plays == number + 1)
    };
    each(&mut page, NUMBERS, calls, is_it).await?.row(table, "a play, in its track's numbers");

    let mut page = site.page("ann", "seller", "private-seller-dashboard-ann").await?;
    let calls = (0..count).map(|number| {
        let product = format!("lamp-{number}");
        let body = json!({"productId": product, "title": "Lamp", "price": 2_500, "currency": "USD", "status": "sold"});
        Call::of(ann, "/api/products", product, body)
    });
    let is_it = |number, _: &Value, data: &Value| data["itemsSold"] == number + 1;
    each(&mut page, NUMBERS, calls, is_it).await?.row(table, "a sale, in its seller's numbers");
    Ok(())
}

/// Purchases as fast as the API accepts them, all published on one channel.
async fn together(site: &Site, options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let (root, count) = (&site.api("root", "admin")?, options.interactions);
    let mut page = site.page("root", "admin", "private-admin-dashboard").await?;
    let calls: Vec<_> = (0..count)
        .map(|number| {
            buys(root, &format!("person-{}", number % BUYERS), &format!("at-once-{number}"), "completed").send()
        })
        .collect();
    let answers: Vec<_> = stream::iter(calls).buffer_unordered(options.connections).try_collect().await?;
    let mut told = BTreeMap::new();
    while told.len() < count {
        let next = page.next().await?;
        if next["event"] == "purchase-completed" {
            told.insert(text(&next["data"], "/purchase/purchaseId")?.to_owned(), next.at);
        }
    }
    let mut lags = Lags::default();
    for (sent, answer, answered) in &answers {
        let id = text(answer, "/purchaseId")?;
        lags.push(*sent, *answered, *told.get(id).with_context(|| format!("no event of {id} arrived"))?);
    }
    lags.row(table, &format!("purchases of {BUYERS} people at once, on one channel"));
    Ok(())
}
