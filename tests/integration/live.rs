//! Open pages are told what happens: the real `pusher-js` on a real server of channels, Sockudo.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::app::{App, event};
use crate::contract::{assert_told, contract};

/// How long anything that should happen soon may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const APP: &str = "tally";
const KEY: &str = "a-public-key";
const SECRET: &str = "a-secret-that-nobody-else-knows";

/// What `tests/live/install` installed, where it did.
#[allow(clippy::disallowed_methods, reason = "a test looks where it runs")]
fn tools() -> Option<PathBuf> {
    let var = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = || Some(var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")))?.join("tally"));
    let tools = var("TALLY_TOOLS").or_else(cache)?;
    let is_there = tools.join("sockudo/bin/sockudo").exists() && tools.join("pages/node_modules").exists();
    assert!(is_there || var("CI").is_none(), "tests/live/install was not run");
    is_there.then_some(tools)
}

/// A port that is free, as far as anybody can know.
fn port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Starts the server of channels; it ends with what is returned.
async fn server(tools: &Path) -> (Child, u16) {
    let port = port();
    let child = Command::new(tools.join("sockudo/bin/sockudo"))
        .env_clear()
        .env("HOST", "127.0.0.1")
        .env("PORT", port.to_string())
        .env("METRICS_ENABLED", "false")
        .env("RATE_LIMITER_ENABLED", "false")
        .env("SHUTDOWN_GRACE_PERIOD", "1")
        .env("SOCKUDO_DEFAULT_APP_ID", APP)
        .env("SOCKUDO_DEFAULT_APP_KEY", KEY)
        .env("SOCKUDO_DEFAULT_APP_SECRET", SECRET)
        .env("SOCKUDO_DEFAULT_APP_MAX_CHANNEL_NAME_LENGTH", "164")
        .env("SOCKUDO_DEFAULT_APP_MAX_EVENT_PAYLOAD_IN_KB", "10")
        .env("SOCKUDO_DEFAULT_APP_MAX_EVENT_BATCH_SIZE", "10")
        .env("SOCKUDO_DEFAULT_APP_MAX_BACKEND_EVENTS_PER_SECOND", "100000")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let until = Instant::now() + PATIENCE;
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(Instant::now() < until, "the server of channels does not start");
        tokio::task::yield_now().await;
    }
    (child, port)
}

/// An open page, and what it was told so far.
struct Page {
    _process: Child,
    lines: mpsc::UnboundedReceiver<Value>,
    told: Vec<Value>,
    contract: Value,
}

impl Page {
    fn open(tools: &Path, app: &App, port: u16, token: &str, channels: &[&str]) -> Self {
        let config = json!({
            "host": "127.0.0.1", "port": port, "key": KEY, "token": token, "channels": channels,
            "auth": format!("{}/api/pusher/auth", app.cloud.api_url()),
        });
        let mut process = Command::new("node")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("live/listen.mjs"))
            .arg(config.to_string())
            .env("TALLY_NODE_MODULES", tools.join("pages/node_modules"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let (sender, lines) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    break;
                }
            }
        });
        Self { _process: process, lines, told: Vec::new(), contract: contract() }
    }

    /// Waits until the page was told of an event on a channel that is like this.
    async fn told(&mut self, channel: &str, event: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let fits = |told: &Value| told["channel"] == channel && told["event"] == event && is_it(told);
        if let Some(told) = self.told.iter().find(|told| fits(told)) {
            return told.clone();
        }
        loop {
            let next = tokio::time::timeout(PATIENCE, self.lines.recv()).await;
            let Ok(Some(told)) = next else { panic!("no {event} on {channel}, but {:#?}", self.told) };
            if told["data"].is_object() {
                assert_told(&self.contract, told["event"].as_str().unwrap(), &told["data"]);
            }
            self.told.push(told.clone());
            if fits(&told) {
                return told;
            }
        }
    }

    async fn listens(&mut self, channels: &[&str]) {
        for channel in channels {
            self.told(channel, "subscribed", |_| true).await;
        }
    }
}

struct Site {
    app: App,
    /// How long it took from an answer until a page was told.
    took: BTreeMap<&'static str, Duration>,
}

impl Site {
    fn token(&self, person: &str, role: &str) -> String {
        let now = shared::clock::system().now().timestamp();
        let claims = json!({"sub": person, "role": role, "name": format!("{person} the {role}"), "exp": now + 3_600});
        let key = jsonwebtoken::EncodingKey::from_secret(self.app.cloud.jwt_secret().as_bytes());
        format!("Bearer {}", jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap())
    }

    async fn send(&self, (person, role): (&str, &str), method: Method, path: &str, body: &Value) -> Value {
        let (token, key) = (self.token(person, role), uuid());
        let headers = [
            ("content-type", "application/json"),
            ("authorization", token.as_str()),
            ("idempotency-key", key.as_str()),
        ];
        let answer = self.app.send(method, path, &headers, body.to_string()).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer.body
    }

    /// Does something that a page is told of; what it is told.
    async fn brings(
        &mut self,
        (person, path, body): ((&str, &str), &str, &Value),
        page: &mut Page,
        (channel, event): (&str, &'static str),
    ) -> Value {
        let before = page.told.len();
        self.send(person, Method::POST, path, body).await;
        let began = Instant::now();
        let told = page.told(channel, event, |_| true).await;
        assert!(page.told.len() > before, "{event} was told before it was");
        self.took.insert(event, began.elapsed());
        told["data"].clone()
    }
}

/// Of which second numbers are told.
fn second(id: &Value) -> u64 {
    id.as_str().unwrap().split_once('.').unwrap().0.parse().unwrap()
}

fn uuid() -> String {
    shared::ids::random().fresh()
}

#[tokio::test(flavor = "multi_thread")]
async fn open_pages_are_told_what_happens() {
    let Some(tools) = tools() else {
        println!("skipped: there is no server of channels; tests/live/install installs one");
        return;
    };
    let (_server, port) = server(&tools).await;
    let app = App::start_with(|options| {
        for (name, value) in [
            ("PusherAppId", APP),
            ("PusherKey", KEY),
            ("PusherSecret", SECRET),
            ("PusherHost", &format!("http://127.0.0.1:{port}")),
        ] {
            options.parameters.insert(name.to_owned(), value.to_owned());
        }
    });
    let mut site = Site { app: app.await, took: BTreeMap::new() };
    let (teacher, root) = (("tim", "teacher"), ("root", "admin"));
    site.send(teacher, Method::PUT, "/api/courses/algebra", &json!({"title": "Algebra"})).await;

    // A page of Sam's, one of Tim's, who both look at the course; and Eve, to whom nothing of that is told.
    let theirs = ["private-user-sam", "private-student-dashboard-sam", "public-announcements"];
    let mut sam = Page::open(&tools, &site.app, port, &site.token("sam", "student"), &theirs);
    sam.listens(&theirs).await;
    let of_teacher = ["private-user-tim", "presence-course-algebra", "private-course-enrollments-algebra"];
    let mut tim = Page::open(&tools, &site.app, port, &site.token("tim", "teacher"), &of_teacher);
    tim.listens(&of_teacher).await;
    let mut other = Page::open(&tools, &site.app, port, &site.token("root", "admin"), &of_teacher[1..]);
    other.listens(&of_teacher[1..]).await;
    let met = tim.told("presence-course-algebra", "came", |_| true).await;
    assert_eq!(met["member"], "root");
    let both = other.told("presence-course-algebra", "subscribed", |_| true).await;
    let ids: Vec<&Value> = both["members"].as_array().unwrap().iter().map(|member| &member["id"]).collect();
    assert!(ids.contains(&&json!("tim")) && ids.contains(&&json!("root")), "{both}");
    let named = both["members"].as_array().unwrap().iter().find(|member| member["id"] == "tim").unwrap();
    assert_eq!(named["info"]["name"], "tim the teacher");
    let private = [&theirs[..2], &of_teacher[..], &["private-admin-dashboard"]].concat();
    let mut eve = Page::open(&tools, &site.app, port, &site.token("eve", "student"), &private);
    for channel in private {
        assert_eq!(eve.told(channel, "refused", |_| true).await["status"], 403, "{channel}");
    }

    let notice = json!({"userId": "sam", "title": "Hello", "message": "How are you?", "type": "info", "link": "/me"});
    let on_user = |event| ("private-user-sam", event);
    let told = site.brings((teacher, "/api/notifications", &notice), &mut sam, on_user("new-notification")).await;
    assert_eq!((&told["title"], &told["senderId"], &told["link"]), (&json!("Hello"), &json!("tim"), &json!("/me")));
    let news = json!({"title": "News", "message": "There are news.", "type": "success"});
    let everybody = ("public-announcements", "announcement");
    let told = site.brings((root, "/api/announcements", &news), &mut sam, everybody).await;
    assert_eq!((&told["title"], told["id"].is_string()), (&json!("News"), true));
    let order = json!({
        "itemType": "course", "itemId": "algebra", "amount": 999, "currency": "USD", "paymentMethod": "card",
    });
    let told =
        site.brings((("sam", "student"), "/api/purchases", &order), &mut sam, on_user("purchase-completed")).await;
    let purchase = &told["purchase"];
    assert_eq!((&purchase["itemId"], &purchase["userId"]), (&json!("algebra"), &json!("sam")));
    let refund = format!("/api/purchases/{}/refund", purchase["purchaseId"].as_str().unwrap());
    let told = site.brings((root, &refund, &json!({})), &mut sam, on_user("purchase-refunded")).await;
    assert_eq!(told["purchase"]["status"], "refunded");

    // Who enrolls is told to the teacher; what is paid, to who paid.
    let enrolls = (("sam", "student"), "/api/enrollments", &json!({"courseId": "algebra"}));
    let told = site.brings(enrolls, &mut tim, (of_teacher[2], "new-enrollment")).await;
    assert_eq!(told["enrollment"]["studentName"], "sam the student");
    let waits = json!({
        "itemType": "course", "itemId": "topology", "amount": 999, "currency": "USD", "paymentMethod": "card",
        "status": "pending",
    });
    let purchase = site.send(("sam", "student"), Method::POST, "/api/purchases", &waits).await;
    let pays = json!({"purchaseId": purchase["purchaseId"]});
    let payment = site.send(("sam", "student"), Method::POST, "/api/payments", &pays).await;
    sam.told("private-user-sam", "payment-received", |_| true).await;
    let approval = format!("/api/payments/{}/approve", payment["paymentId"].as_str().unwrap());
    let told = site.brings((root, &approval, &json!({})), &mut sam, on_user("payment-approved")).await;
    assert_eq!(told["payment"]["status"], "approved");
    let is_paid = |told: &Value| told["data"]["purchase"]["itemId"] == "topology";
    sam.told("private-user-sam", "purchase-completed", is_paid).await;

    // Many, one after the other, come in their order.
    for number in 0..25 {
        let notice = json!({"userId": "sam", "title": format!("n{number}"), "message": "m", "type": "info"});
        site.send(teacher, Method::POST, "/api/notifications", &notice).await;
    }
    sam.told("private-user-sam", "new-notification", |told| told["data"]["title"] == "n24").await;
    let titles = sam.told.iter().filter(|told| told["event"] == "new-notification").map(|told| &told["data"]["title"]);
    let titles: Vec<&str> =
        titles.map(|title| title.as_str().unwrap()).filter(|title| title.starts_with('n')).collect();
    assert_eq!(titles, (0..25).map(|number| format!("n{number}")).collect::<Vec<_>>());

    // Numbers, too: of a track that is played, of a seller who sells, and of the boards.
    let of_numbers = ["private-seller-dashboard-eve", "public-leaderboard", "public-track-song"];
    let mut seller = Page::open(&tools, &site.app, port, &site.token("eve", "seller"), &of_numbers);
    seller.listens(&of_numbers).await;
    let played = Instant::now();
    assert_eq!(site.app.post(&json!([event("play", &json!({}))])).await.body["accepted"], 1);
    let told = seller.told(of_numbers[2], "stats-update", |_| true).await;
    site.took.insert("stats-update of a track", played.elapsed());
    assert_eq!((&told["data"]["trackId"], &told["data"]["counters"]["playCount"]), (&json!("song"), &json!(1)));
    let lamp = json!({"productId": "lamp", "title": "Lamp", "price": 2_500, "currency": "USD", "status": "sold"});
    let sold = Instant::now();
    site.send(("eve", "seller"), Method::POST, "/api/products", &lamp).await;
    let told = seller.told(of_numbers[0], "stats-update", |told| told["data"]["itemsSold"] == 1).await;
    site.took.insert("stats-update of a seller", sold.elapsed());
    assert_eq!(told["data"]["totalEarnings"], json!({"USD": 2_500}));
    let is_first = |told: &Value| told["data"]["sales"] == json!([{"rank": 1, "sellerId": "eve", "value": 1}]);
    seller.told(of_numbers[1], "leaderboard-update", is_first).await;

    // However often numbers change, they are told once a second.
    for number in 0..40 {
        assert_eq!(site.app.post(&json!([event(&format!("p{number}"), &json!({}))])).await.body["accepted"], 1);
    }
    seller.told(of_numbers[2], "stats-update", |told| told["data"]["counters"]["playCount"] == 41).await;
    let updates: Vec<&Value> =
        seller.told.iter().filter(|told| told["channel"] == of_numbers[2] && told["event"] == "stats-update").collect();
    let seconds: Vec<u64> = updates.iter().map(|told| second(&told["data"]["id"])).collect();
    assert!(seconds.windows(2).all(|two| two[0] < two[1]), "{updates:#?}");
    let plays: Vec<u64> = updates.iter().map(|told| told["data"]["counters"]["playCount"].as_u64().unwrap()).collect();
    assert!(plays.is_sorted(), "{plays:?}");
    println!("{} changes of a track were told {} times", 41, updates.len());
    for (event, took) in &site.took {
        println!("{event:24} {:5} ms from the answer to the page", took.as_millis());
    }
    site.app.finish().await;
}
