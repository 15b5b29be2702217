//! Open pages receive events: the real `pusher-js`, on the embedded server of `cargo dev` and on Sockudo. Every case
//! runs on both.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::live::Credentials;
use http::{Method, Request};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use live::{Page, Place, Sockudo, Told, Tools};
use local::channels::Application;
use local::secrets::SecretsManager;
use serde_json::{Value, json};

use crate::contract::{assert_event_matches, contract};
use crate::support::app::{App, event};

type Person<'a> = (&'a str, &'a str);

/// The teacher of algebra.
const TIM: Person<'_> = ("tim", "teacher");
/// A student who enrolls.
const SAM: Person<'_> = ("sam", "student");
/// A user without access.
const EVE: Person<'_> = ("eve", "student");
const ANN: Person<'_> = ("ann", "seller");
const ROOT: Person<'_> = ("root", "admin");

const OF_USER: &str = "private-user-sam";
const OF_STUDENT: &str = "private-student-dashboard-sam";
const OF_TEACHER: &str = "private-teacher-dashboard-tim";
const ENROLLMENTS: &str = "private-course-enrollments-algebra";
const COURSE: &str = "private-course-algebra";
const PRESENCE: &str = "presence-course-algebra";
const EVERYBODY: &str = "public-announcements";
const TRACK: &str = "public-track-song";
const BOARDS: &str = "public-leaderboard";
const OF_SELLER: &str = "private-seller-dashboard-ann";

/// What Tim's page listens to.
const TIMS: [&str; 4] = ["private-user-tim", OF_TEACHER, ENROLLMENTS, PRESENCE];
/// What Sam's page listens to, once she takes part in the course.
const SAMS: [&str; 7] = [OF_USER, OF_STUDENT, COURSE, PRESENCE, EVERYBODY, TRACK, BOARDS];
/// The channels that are open to Sam, Tim, Ann, an artist and admins only.
const PRIVATE: [&str; 9] = [
    OF_USER,
    OF_STUDENT,
    OF_TEACHER,
    OF_SELLER,
    "private-artist-dashboard-art",
    "private-admin-dashboard",
    COURSE,
    ENROLLMENTS,
    PRESENCE,
];

/// Runs each case on each server of channels.
macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            #[cfg_attr(not(has_pusher_js), ignore = "needs pusher-js: run tests/live/install")]
            async fn $case() {
                super::$case(super::Which::Embedded).await;
            })*
        }
        mod sockudo {
            $(#[tokio::test(flavor = "multi_thread")]
            #[cfg_attr(not(has_sockudo), ignore = "needs Sockudo: run tests/live/install")]
            async fn $case() {
                super::$case(super::Which::Sockudo).await;
            })*
        }
    };
}

on_both!(
    student_page_receives_every_event,
    course_members_see_each_other,
    user_with_two_pages_is_one_member,
    unauthorized_pages_receive_nothing,
    server_rejects_unsigned_and_oversized_requests,
    frequent_events_arrive_in_order_and_stats_once_per_second,
);

/// A server of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// The one in the local cloud.
    Embedded,
    /// A program of its own.
    Sockudo,
}

/// A local cloud with a server of channels, where Tim teaches algebra.
struct Site {
    app: App,
    tools: Tools,
    place: Place,
    secrets: SecretsManager,
    _sockudo: Option<Sockudo>,
    /// The time until a page received an event, from the request and from its answer.
    took: Vec<(String, Duration, Duration)>,
}

/// The tools that `tests/live/install` installed.
fn tools() -> Tools {
    Tools::installed().unwrap().unwrap_or_else(|| panic!("run tests/live/install"))
}

/// The program of Sockudo.
fn sockudo() -> PathBuf {
    tools().sockudo().unwrap().unwrap_or_else(|| panic!("run tests/live/install"))
}

impl Site {
    async fn start(which: Which) -> Self {
        let tools = tools();
        let sockudo = match which {
            Which::Sockudo => Some(Sockudo::start(&sockudo()).await.unwrap()),
            Which::Embedded => None,
        };
        let secrets = SecretsManager::default();
        let app = App::start_with(|options| {
            options.secrets = secrets.clone();
            match &sockudo {
                Some(sockudo) => {
                    let key = &sockudo.place().key;
                    let [app, key, secret] = [sockudo.app(), key, sockudo.secret()].map(str::to_owned);
                    options.publish_to(&Application { app, key, secret }, &sockudo.url());
                }
                None => options.channels = true,
            }
        })
        .await;
        let embedded = app.cloud.summary().channels.as_ref();
        assert_eq!(embedded.is_some(), which == Which::Embedded);
        let place = match (&sockudo, embedded) {
            (Some(sockudo), _) => sockudo.place().clone(),
            (None, embedded) => embedded.map(|at| Place { port: at.port, key: at.key.clone() }).unwrap(),
        };
        let site = Self { app, tools, place, secrets, _sockudo: sockudo, took: Vec::new() };
        site.send(TIM, Method::PUT, "/api/courses/algebra", &json!({"title": "Algebra"})).await;
        site
    }

    fn token(&self, (person, role): Person<'_>) -> String {
        let now = system::clock::system().now().timestamp();
        let claims = json!({"sub": person, "role": role, "name": format!("{person} the {role}"), "exp": now + 3_600});
        let key = jsonwebtoken::EncodingKey::from_secret(self.app.cloud.jwt_secret().as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
    }

    /// Opens a page of a user that subscribes to these channels.
    fn opens(&self, person: Person<'_>, channels: &[&str]) -> Page {
        self.opens_with(person, channels, &[])
    }

    /// The same, of a page that shows for some channels what it was given for others.
    fn opens_with(&self, person: Person<'_>, channels: &[&str], shows: &[(&str, &str)]) -> Page {
        let (url, token) = (self.app.cloud.api_url(), self.token(person));
        Page::open_with(&self.tools, &self.place, url, &token, channels, &shows.iter().copied().collect()).unwrap()
    }

    /// Opens a page of a user, and waits until it has subscribed to these channels.
    async fn page(&self, person: Person<'_>, channels: &[&str]) -> Page {
        let mut page = self.opens(person, channels);
        page.listens(channels).await.unwrap();
        page
    }

    async fn send(&self, person: Person<'_>, method: Method, path: &str, body: &Value) -> Value {
        let (token, key) = (format!("Bearer {}", self.token(person)), system::ids::random().fresh());
        let headers = [
            ("content-type", "application/json"),
            ("authorization", token.as_str()),
            ("idempotency-key", key.as_str()),
        ];
        let answer = self.app.send(method, path, &headers, body.to_string()).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer.body
    }

    /// Sends a request, and waits until a page receives its event on each of these channels. Returns the answer and the
    /// data.
    async fn brings(
        &mut self,
        (person, method, path, body): (Person<'_>, Method, &str, &Value),
        page: &mut Page,
        (channels, event): (&[&str], &str),
        is_it: impl Fn(&Value, &Told) -> bool,
    ) -> (Value, Value) {
        let sent = Instant::now();
        let answer = self.send(person, method, path, body).await;
        let answered = Instant::now();
        let mut told = Vec::new();
        for channel in channels {
            told.push(page.told(channel, event, |told| is_it(&answer, told)).await.unwrap());
        }
        let last = told.iter().map(|told| told.at).max().unwrap();
        assert!(last > sent, "{event} was told before it was");
        let what = format!("{event} on {}", channels.join(", "));
        self.took.push((what, last - sent, last.saturating_duration_since(answered)));
        (answer, told[0]["data"].clone())
    }

    /// Sam takes part in algebra.
    async fn sam_takes_part(&self) {
        self.send(SAM, Method::POST, "/api/enrollments", &json!({"courseId": "algebra"})).await;
        let accepted = json!({"courseId": "algebra", "studentId": "sam", "status": "active"});
        self.send(TIM, Method::PATCH, "/api/enrollments", &accepted).await;
    }

    /// Ends the test. Asserts that all events of the pages match the contract.
    async fn finish(self, pages: &[&Page]) {
        let contract = contract();
        for told in pages.iter().flat_map(|page| page.so_far()).filter(|told| told["data"].is_object()) {
            assert_event_matches(&contract, told["event"].as_str().unwrap(), &told["data"]);
        }
        for (event, of_request, of_answer) in &self.took {
            let (of_request, of_answer) = (of_request.as_millis(), of_answer.as_millis());
            println!("{event:80} {of_request:5} ms from the request to the page, {of_answer:5} ms from the answer");
        }
        self.app.finish().await;
    }
}

/// The event contains what was answered. A page prints whole numbers in its own way, so fractions are used here.
fn is_what_was_answered(thing: &str) -> impl Fn(&Value, &Told) -> bool {
    move |answer, told| told["data"][thing] == *answer
}

/// What Sam buys.
fn order(item: &str, status: &str) -> Value {
    json!({
        "itemType": "course", "itemId": item, "amount": 999, "currency": "USD", "paymentMethod": "card", "status": status,
    })
}

async fn student_page_receives_every_event(which: Which) {
    let mut site = Site::start(which).await;
    let mut tim = site.page(TIM, &TIMS).await;

    // A student who is not enrolled yet may not subscribe to the course, but receives the acceptance.
    let mut before = site.opens(SAM, &[OF_STUDENT, COURSE, PRESENCE]);
    before.listens(&[OF_STUDENT]).await.unwrap();
    for channel in [COURSE, PRESENCE] {
        assert_eq!(before.told(channel, "refused", |_| true).await.unwrap()["status"], 403);
    }
    let (enrolls, path) = (json!({"courseId": "algebra"}), "/api/enrollments");
    let is_enrollment = is_what_was_answered("enrollment");
    let enrolls = (SAM, Method::POST, path, &enrolls);
    let teachers: &[&str] = &[ENROLLMENTS, OF_TEACHER];
    let (_, told) = site.brings(enrolls, &mut tim, (teachers, "new-enrollment"), &is_enrollment).await;
    assert_eq!(told["enrollment"]["studentName"], "sam the student");
    let accepted = json!({"courseId": "algebra", "studentId": "sam", "status": "active"});
    let accepts = (TIM, Method::PATCH, path, &accepted);
    let (answer, told) = site.brings(accepts, &mut before, (&[OF_STUDENT], "enrollment-update"), &is_enrollment).await;
    assert_eq!(told["enrollment"]["status"], "active");
    tim.told(ENROLLMENTS, "enrollment-update", |told| is_enrollment(&answer, told)).await.unwrap();

    let mut sam = site.page(SAM, &SAMS).await;
    let notice = json!({"userId": "sam", "title": "Hello", "message": "How are you?", "type": "info", "link": "/me"});
    let sends = (TIM, Method::POST, "/api/notifications", &notice);
    let is_notice = |answer: &Value, told: &Told| told["data"]["id"] == answer["notificationId"];
    let (_, told) = site.brings(sends, &mut sam, (&[OF_USER], "new-notification"), is_notice).await;
    assert_eq!((&told["title"], &told["senderId"], &told["link"]), (&json!("Hello"), &json!("tim"), &json!("/me")));
    let news = json!({"title": "News", "message": "There are news.", "type": "success"});
    let announces = (ROOT, Method::POST, "/api/announcements", &news);
    let is_news = |_: &Value, told: &Told| told["data"]["title"] == "News";
    let (_, told) = site.brings(announces, &mut sam, (&[EVERYBODY], "announcement"), is_news).await;
    assert!(told["id"].is_string(), "{told}");

    of_the_classroom(&mut site, &mut sam, &mut tim).await;
    of_money(&mut site, &mut sam).await;
    let mut ann = site.page(ANN, &[OF_SELLER, BOARDS]).await;
    of_numbers(&mut site, &mut sam, &mut ann).await;
    site.finish(&[&before, &sam, &tim, &ann]).await;
}

/// Scores and attendance.
async fn of_the_classroom(site: &mut Site, sam: &mut Page, tim: &mut Page) {
    let (both, is_score) = ([OF_USER, OF_STUDENT], is_what_was_answered("score"));
    let score =
        json!({"courseId": "algebra", "studentId": "sam", "title": "First test", "score": 17.5, "maxScore": 20});
    let gives = (TIM, Method::POST, "/api/scores", &score);
    let (given, told) = site.brings(gives, sam, (&both, "new-score"), &is_score).await;
    assert_eq!(told["score"]["scorePercent"], 87.5);
    let path = format!("/api/scores/{}", given["scoreId"].as_str().unwrap());
    let right = json!({"title": "First test", "score": 18.5, "maxScore": 20});
    let (changed, told) = site.brings((TIM, Method::PUT, &path, &right), sam, (&both, "score-update"), &is_score).await;
    assert_eq!(told["score"]["score"], 18.5);
    let mark = json!({"courseId": "algebra", "studentId": "sam", "date": "2026-01-31", "status": "late"});
    let marks = (TIM, Method::POST, "/api/attendance", &mark);
    let is_mark = is_what_was_answered("attendance");
    let (marked, told) = site.brings(marks, sam, (&both, "attendance-marked"), &is_mark).await;
    assert_eq!((&told["attendance"]["status"], &told["attendance"]["date"]), (&json!("late"), &json!("2026-01-31")));
    tim.told(OF_TEACHER, "new-score", |told| is_score(&given, told)).await.unwrap();
    tim.told(OF_TEACHER, "score-update", |told| is_score(&changed, told)).await.unwrap();
    tim.told(OF_TEACHER, "attendance-marked", |told| is_mark(&marked, told)).await.unwrap();
}

/// Purchases, refunds and payments.
async fn of_money(site: &mut Site, sam: &mut Page) {
    let purchases = "/api/purchases";
    let is_purchase = |answer: &Value, told: &Told| told["data"]["purchase"]["purchaseId"] == answer["purchaseId"];
    let paid = order("algebra", "completed");
    let buys = (SAM, Method::POST, purchases, &paid);
    let (bought, told) = site.brings(buys, sam, (&[OF_USER], "purchase-completed"), is_purchase).await;
    assert_eq!((&told["purchase"]["itemId"], &told["purchase"]["userId"]), (&json!("algebra"), &json!("sam")));
    let (refund, all) = (format!("/api/purchases/{}/refund", bought["purchaseId"].as_str().unwrap()), json!({}));
    let is_refund = |_: &Value, told: &Told| told["data"]["purchase"]["purchaseId"] == bought["purchaseId"];
    let refunds = (ROOT, Method::POST, refund.as_str(), &all);
    let (_, told) = site.brings(refunds, sam, (&[OF_USER], "purchase-refunded"), is_refund).await;
    assert_eq!(told["purchase"]["status"], "refunded");

    let waits = site.send(SAM, Method::POST, purchases, &order("topology", "pending")).await;
    let (pays, is_payment) = (json!({"purchaseId": waits["purchaseId"]}), is_what_was_answered("payment"));
    let pays = (SAM, Method::POST, "/api/payments", &pays);
    let (payment, told) = site.brings(pays, sam, (&[OF_USER], "payment-received"), &is_payment).await;
    assert_eq!(told["payment"]["purchaseId"], waits["purchaseId"]);
    let approval = format!("/api/payments/{}/approve", payment["paymentId"].as_str().unwrap());
    let approves = (ROOT, Method::POST, approval.as_str(), &all);
    let on_both: &[&str] = &[OF_USER, OF_STUDENT];
    let (_, told) = site.brings(approves, sam, (on_both, "payment-approved"), &is_payment).await;
    assert_eq!(told["payment"]["status"], "approved");
    let is_paid = |told: &Told| told["data"]["purchase"]["purchaseId"] == waits["purchaseId"];
    sam.told(OF_USER, "purchase-completed", is_paid).await.unwrap();
}

/// Counters of a track, figures of a seller, and the boards.
async fn of_numbers(site: &mut Site, sam: &mut Page, ann: &mut Page) {
    let plays = json!({"events": [event("play", &json!({}))]});
    let plays = (SAM, Method::POST, "/api/stats/events", &plays);
    let is_played = |_: &Value, told: &Told| told["data"]["counters"]["totalPlays"] == 1;
    let (answer, told) = site.brings(plays, sam, (&[TRACK], "stats-update"), is_played).await;
    assert_eq!((&answer["accepted"], &told["trackId"]), (&json!(1), &json!("song")));
    let lamp = json!({"productId": "lamp", "title": "Lamp", "price": 2_500, "currency": "USD", "status": "sold"});
    let sells = (ANN, Method::POST, "/api/products", &lamp);
    let is_sold = |_: &Value, told: &Told| told["data"]["itemsSold"] == 1;
    let (_, told) = site.brings(sells, ann, (&[OF_SELLER], "stats-update"), is_sold).await;
    assert_eq!(told["totalEarnings"], json!({"USD": 2_500}));
    // Every page that shows the boards receives the change.
    let is_first =
        |told: &Told| told["data"]["sales"] == json!([{"rank": 1, "sellerId": "ann", "value": 1, "verified": false}]);
    for page in [sam, ann] {
        page.told(BOARDS, "leaderboard-update", is_first).await.unwrap();
    }
}

async fn course_members_see_each_other(which: Which) {
    let site = Site::start(which).await;
    site.sam_takes_part().await;
    let mut tim = site.page(TIM, &TIMS).await;
    let mut sam = site.page(SAM, &SAMS).await;
    let there = sam.told(PRESENCE, "subscribed", |_| true).await.unwrap();
    let names: BTreeMap<&str, &str> = there["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| (member["id"].as_str().unwrap(), member["info"]["name"].as_str().unwrap()))
        .collect();
    assert_eq!(names, BTreeMap::from([("sam", "sam the student"), ("tim", "tim the teacher")]));
    tim.told(PRESENCE, "came", |told| told["member"] == "sam").await.unwrap();
    drop(sam);
    tim.told(PRESENCE, "went", |told| told["member"] == "sam").await.unwrap();
    site.finish(&[&tim]).await;
}

async fn user_with_two_pages_is_one_member(which: Which) {
    let site = Site::start(which).await;
    site.sam_takes_part().await;
    let mut tim = site.page(TIM, &[PRESENCE, EVERYBODY]).await;
    let first = site.page(SAM, &[PRESENCE]).await;
    let mut second = site.page(SAM, &[PRESENCE, OF_USER]).await;
    let there = second.told(PRESENCE, "subscribed", |_| true).await.unwrap();
    let mut ids: Vec<&str> =
        there["members"].as_array().unwrap().iter().map(|member| member["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["sam", "tim"]);
    tim.told(PRESENCE, "came", |told| told["member"] == "sam").await.unwrap();

    // One page closes, and Sam still listens with the other one.
    drop(first);
    let third = site.page(SAM, &[PRESENCE]).await;
    let there = json!({"title": "Still there", "message": "Sam is.", "type": "info"});
    site.send(ROOT, Method::POST, "/api/announcements", &there).await;
    tim.told(EVERYBODY, "announcement", |told| told["data"]["title"] == "Still there").await.unwrap();
    let moves = |tim: &Page| {
        let moves = tim.so_far().iter().filter(|told| told["channel"] == PRESENCE && told["event"] != "subscribed");
        moves.map(|told| (told["event"].clone(), told["member"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(moves(&tim), [(json!("came"), json!("sam"))]);
    drop((second, third));
    tim.told(PRESENCE, "went", |told| told["member"] == "sam").await.unwrap();
    assert_eq!(moves(&tim).len(), 2);
    site.finish(&[&tim]).await;
}

async fn unauthorized_pages_receive_nothing(which: Which) {
    let site = Site::start(which).await;
    site.sam_takes_part().await;
    let mut sam = site.page(SAM, &SAMS).await;
    let mut eve = site.opens(EVE, &[&PRIVATE[..], &["private-user-eve", EVERYBODY]].concat());
    for channel in PRIVATE {
        assert_eq!(eve.told(channel, "refused", |_| true).await.unwrap()["status"], 403, "{channel}");
    }
    eve.listens(&["private-user-eve", EVERYBODY]).await.unwrap();
    // The authorization of her own channel is rejected for another one, by the server itself.
    let own = "private-user-eve";
    let mut thief = site.opens_with(EVE, &[OF_USER, own, EVERYBODY], &[(OF_USER, own)]);
    thief.listens(&[own, EVERYBODY]).await.unwrap();
    thief.told("", "error", |told| told["error"]["code"] == 4009).await.unwrap();

    let notice = json!({"userId": "sam", "title": "Secret", "message": "Nobody's business.", "type": "info"});
    site.send(TIM, Method::POST, "/api/notifications", &notice).await;
    sam.told(OF_USER, "new-notification", |told| told["data"]["title"] == "Secret").await.unwrap();
    let mark = json!({"courseId": "algebra", "studentId": "sam", "date": "2026-01-31", "status": "absent"});
    site.send(TIM, Method::POST, "/api/attendance", &mark).await;
    sam.told(OF_STUDENT, "attendance-marked", |_| true).await.unwrap();
    // What comes last on a connection comes after all else.
    site.app.settled().await;
    let last = json!({"title": "The end", "message": "That was all.", "type": "info"});
    site.send(ROOT, Method::POST, "/api/announcements", &last).await;
    for page in [&mut eve, &mut thief] {
        page.told(EVERYBODY, "announcement", |_| true).await.unwrap();
        let others: Vec<&Told> =
            page.so_far().iter().filter(|told| told["data"].is_object() && told["channel"] != EVERYBODY).collect();
        assert!(others.is_empty(), "{others:#?}");
    }
    site.finish(&[&sam, &eve, &thief]).await;
}

async fn server_rejects_unsigned_and_oversized_requests(which: Which) {
    let site = Site::start(which).await;
    let environment = &site.app.cloud.template().functions["RealtimePublisherFunction"].environment;
    let of = |name: &str| environment[name].clone();
    let secret = site.secrets.text(&of("PUSHER_SECRET_ARN")).unwrap();
    let credentials = Credentials { app: of("PUSHER_APP_ID"), key: of("PUSHER_KEY"), secret };
    let (origin, path) = (of("PUSHER_HOST"), format!("/apps/{}/batch_events", credentials.app));
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let post = async |query: &str, body: &str| {
        let request = Request::post(format!("{origin}{path}?{query}")).header("content-type", "application/json");
        let answer = client.request(request.body(Full::from(body.to_owned())).unwrap()).await.unwrap();
        answer.status().as_u16()
    };
    let event = |data: &str| json!({"channel": EVERYBODY, "name": "test", "data": json!({"text": data}).to_string()});
    let batch = |events: &[Value]| json!({"batch": events}).to_string();
    let now = system::clock::system().now().timestamp();
    let signed = |at, body: &str| credentials.query(&path, body.as_bytes(), at).unwrap();

    let mut page = site.page(SAM, &[EVERYBODY]).await;
    let stranger = Credentials { secret: "another".to_owned(), ..credentials.clone() };
    let good = batch(&[event("no")]);
    let by_stranger = stranger.query(&path, good.as_bytes(), now).unwrap();
    for (status, query, body) in [
        (401, by_stranger, &good),
        (401, signed(now, "{}"), &good),
        (401, signed(now - 3_600, &good), &good),
        (400, signed(now, &batch(&vec![event("no"); 11])), &batch(&vec![event("no"); 11])),
        (413, signed(now, &batch(&[event(&"x".repeat(11_000))])), &batch(&[event(&"x".repeat(11_000))])),
    ] {
        assert_eq!(post(&query, body).await, status, "{query} {}", body.len());
    }
    let last = batch(&[event("first"), event("last")]);
    assert_eq!(post(&signed(now, &last), &last).await, 200);
    page.told(EVERYBODY, "test", |told| told["data"]["text"] == "last").await.unwrap();
    let texts: Vec<&Value> = page.so_far().iter().filter_map(|told| told["data"].get("text")).collect();
    assert_eq!(texts, ["first", "last"]);
    site.app.finish().await;
}

/// The second of an update.
fn second(id: &Value) -> u64 {
    id.as_str().unwrap().split_once('.').unwrap().0.parse().unwrap()
}

async fn frequent_events_arrive_in_order_and_stats_once_per_second(which: Which) {
    let site = Site::start(which).await;
    site.sam_takes_part().await;
    let mut sam = site.page(SAM, &[OF_USER, TRACK]).await;
    for number in 0..25 {
        let notice = json!({"userId": "sam", "title": format!("n{number}"), "message": "m", "type": "info"});
        site.send(TIM, Method::POST, "/api/notifications", &notice).await;
    }
    sam.told(OF_USER, "new-notification", |told| told["data"]["title"] == "n24").await.unwrap();
    let titles: Vec<&str> =
        sam.so_far().iter().filter_map(|told| told["data"].get("title")).map(|title| title.as_str().unwrap()).collect();
    assert_eq!(titles, (0..25).map(|number| format!("n{number}")).collect::<Vec<_>>());

    for number in 0..40 {
        assert_eq!(site.app.post(&json!([event(&format!("p{number}"), &json!({}))])).await.body["accepted"], 1);
    }
    sam.told(TRACK, "stats-update", |told| told["data"]["counters"]["totalPlays"] == 40).await.unwrap();
    let updates: Vec<&Told> = sam.so_far().iter().filter(|told| told["event"] == "stats-update").collect();
    let seconds: Vec<u64> = updates.iter().map(|told| second(&told["data"]["id"])).collect();
    assert!(seconds.windows(2).all(|two| two[0] < two[1]), "{updates:#?}");
    let plays: Vec<u64> = updates.iter().map(|told| told["data"]["counters"]["totalPlays"].as_u64().unwrap()).collect();
    assert!(plays.is_sorted(), "{plays:?}");
    println!("40 changes of a track were told {} times", updates.len());
    site.finish(&[&sam]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_sockudo), ignore = "needs Sockudo: run tests/live/install")]
async fn sockudo_detects_occupied_port() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    assert!(Sockudo::start_on(&sockudo(), port).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn configured_pusher_server_replaces_embedded_one() {
    let app = App::start_with(|options| {
        options.channels = true;
        let [app, key, secret] = ["1", "k", "s"].map(str::to_owned);
        options.publish_to(&Application { app, key, secret }, "http://127.0.0.1:9");
    })
    .await;
    assert_eq!(app.cloud.summary().channels, None);
    app.finish().await;
}
