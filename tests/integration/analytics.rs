//! Analytics and the dashboard over HTTP: access, validation, and answers from live facts. Every answer is checked
//! against the contract.

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Timelike, Utc};
use http::Method;
use serde_json::{Value, json};

use crate::support::app::{Answer, App, ago, event};
use crate::support::client::{Client, delegate_to_client};

const ANALYTICS: &str = "/api/stats/analytics";
const DASHBOARD: &str = "/api/dashboard/stats";
const RANGES: [&str; 6] = ["24h", "7d", "30d", "90d", "1y", "all"];

struct Api {
    client: Client,
}

delegate_to_client!(Api);

impl Api {
    async fn start() -> Self {
        Self { client: Client::start().await }
    }

    async fn get(&self, route: &str, query: &str, headers: &[(&str, &str)]) -> Answer {
        self.send((Method::GET, route), &format!("?{query}"), headers, "").await
    }

    async fn ask(&self, role: &str, route: &str, query: &str) -> Answer {
        self.get(route, query, &[("authorization", &self.app.token(role))]).await
    }

    async fn told(&self, role: &str, route: &str, query: &str) -> Value {
        let answer = self.ask(role, route, query).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        answer.body
    }

    async fn analytics(&self, query: &str) -> Value {
        self.told("admin", ANALYTICS, query).await
    }

    async fn describe(&self, role: &str, id: &str, description: &Value) {
        let mut body = json!({"title": id.to_uppercase(), "durationSeconds": 60});
        body.as_object_mut().unwrap().extend(description.as_object().unwrap().clone());
        let answer = self.app.put_track(role, id, &[], &body).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }

    async fn post(&self, events: &[Value]) {
        let answer = self.app.post(&json!(events)).await;
        assert_eq!(answer.body["accepted"], events.len(), "{answer:?}");
        self.app.settled().await;
    }
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap_or_else(|| panic!("{value} is no time")).parse().unwrap()
}

/// Asserts that points follow each other without a gap, from one end of the range to the other.
#[track_caller]
fn covers(points: &Value, range: &Value) {
    let points = points.as_array().unwrap();
    assert_eq!((&points[0]["from"], &points.last().unwrap()["to"]), (&range["from"], &range["to"]));
    assert!(points.windows(2).all(|pair| pair[0]["to"] == pair[1]["from"]), "{points:?}");
    assert!(points.iter().all(|point| time(&point["from"]) < time(&point["to"])), "{points:?}");
}

fn sum(points: &Value, pointer: &str) -> u64 {
    points.as_array().unwrap().iter().map(|point| point.pointer(pointer).unwrap().as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn analytics_require_admin_and_dashboard_requires_its_artist() {
    let api = Api::start().await;
    for route in [ANALYTICS, DASHBOARD] {
        let answer = api.app.send(Method::GET, route, &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.body), (401, json!({"message": "Unauthorized"})));
        for token in ["Bearer a.b.c", "Basic eDp5", "x"] {
            api.get(route, "", &[("authorization", token)]).await.is_problem(401);
        }
        for role in ["seller", "teacher", "student"] {
            api.ask(role, route, "").await.is_problem(403);
            // Not even with their own id. Access is checked before anything else.
            api.ask(role, route, &format!("artistId={role}-1&timeRange=never")).await.is_problem(403);
        }
    }
    api.ask("artist", ANALYTICS, "artistId=artist-1").await.is_problem(403);
    api.ask("artist", DASHBOARD, "artistId=ann").await.is_problem(403);
    assert_eq!(api.told("artist", DASHBOARD, "").await["artistId"], "artist-1");
    assert_eq!(api.told("artist", DASHBOARD, "artistId=artist-1").await["artistId"], "artist-1");
    let missing = api.ask("admin", DASHBOARD, "").await;
    assert_eq!(missing.is_problem(400)["errors"][0]["field"], "artistId");
    assert_eq!(api.told("admin", DASHBOARD, "artistId=ann").await["artist"]["artistId"], "ann");
    assert_eq!(api.analytics("").await["scope"], "platform");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_query_parameter() {
    let api = Api::start().await;
    let (hour, minute) = (ago(TimeDelta::hours(1)), ago(TimeDelta::minutes(1)));
    let (days, years) = (ago(TimeDelta::days(200)), ago(TimeDelta::days(1_000)));
    let later = ago(TimeDelta::days(200) - TimeDelta::milliseconds(1));
    let cases = [
        ("trackId=".to_owned(), "trackId"),
        ("trackId=a%20b".to_owned(), "trackId"),
        ("trackId=a&trackId=a".to_owned(), "trackId"),
        ("artistId=a%23b".to_owned(), "artistId"),
        ("trackId=a&artistId=b".to_owned(), "artistId"),
        ("timeRange=31d".to_owned(), "timeRange"),
        ("timeRange=".to_owned(), "timeRange"),
        ("timeRange=7d&timeRange=7d".to_owned(), "timeRange"),
        (format!("timeRange=7d&from={hour}"), "from"),
        (format!("timeRange=7d&to={hour}"), "to"),
        (format!("to={hour}"), "to"),
        ("from=yesterday".to_owned(), "from"),
        // A plus that is not encoded is a space.
        ("from=2026-01-01T00:00:00+01:00".to_owned(), "from"),
        ("from=2999-01-01T00:00:00Z".to_owned(), "from"),
        (format!("from={hour}&to=soon"), "to"),
        (format!("from={minute}&to={hour}"), "to"),
        (format!("from={hour}&to={hour}"), "to"),
        // Both are in the same day, and that is all that is known of it.
        (format!("from={days}&to={later}"), "to"),
        ("from=1950-01-01T00:00:00Z&to=1960-01-01T00:00:00Z".to_owned(), "to"),
        ("metric=listens".to_owned(), "metric"),
        ("metric=".to_owned(), "metric"),
        ("metric=plays,".to_owned(), "metric"),
        ("metric=plays&metric=PLAYS".to_owned(), "metric"),
        ("interval=minute".to_owned(), "interval"),
        ("timeRange=90d&interval=hour".to_owned(), "interval"),
        (format!("from={days}&interval=hour"), "interval"),
        (format!("from={years}&interval=day"), "interval"),
        ("page=7".to_owned(), "page"),
        ("compare=next".to_owned(), "compare"),
        ("compare=previous&compare=previous".to_owned(), "compare"),
    ];
    for (query, parameter) in cases {
        let answer = api.ask("admin", ANALYTICS, &query).await;
        assert_eq!(answer.is_problem(400)["errors"][0]["field"], parameter, "{query}: {answer:?}");
    }
    for (query, parameter) in [
        ("artistId=a%20b", "artistId"),
        ("artistId=a&timeRange=31d", "timeRange"),
        ("artistId=a&artistId=a", "artistId"),
    ] {
        let answer = api.ask("admin", DASHBOARD, query).await;
        assert_eq!(answer.is_problem(400)["errors"][0]["field"], parameter, "{query}: {answer:?}");
    }
    api.analytics("metric=likes,plays&metric=likes&timeRange=24h&interval=hour&compare=previous").await;
    api.app.finish().await;
}

/// Asserts that every number in a value is 0.
#[track_caller]
fn is_nothing(value: &Value) {
    match value {
        Value::Number(number) => assert_eq!(number.as_f64(), Some(0.0)),
        Value::Array(values) => values.iter().for_each(is_nothing),
        Value::Object(fields) => fields.values().for_each(is_nothing),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_scope_has_zero_sums_and_null_ratios() {
    let api = Api::start().await;
    for range in RANGES {
        for scope in ["trackId=none", "artistId=none", ""] {
            let told = api.analytics(&format!("{scope}&timeRange={range}&interval=week&compare=previous")).await;
            is_nothing(&told);
            let plays = &told["metrics"]["plays"];
            for ratio in ["averageDurationSeconds", "averageCompletionRate", "skipRate", "replayRate"] {
                assert!(plays.as_object().unwrap().contains_key(ratio) && plays[ratio].is_null(), "{plays}");
            }
            assert_eq!(plays["uniques"]["uniqueListeners"], json!({"exact": true, "standardError": null}));
            if range == "all" {
                assert_eq!((&told["previous"], &told["growth"]), (&Value::Null, &Value::Null));
                assert_eq!(told["series"], json!({"interval": "week", "points": []}));
            } else {
                let none = json!({"plays": null, "likes": null, "shares": null, "downloads": null, "saves": null});
                assert_eq!(told["growth"], none);
                assert_eq!(told["previous"]["metrics"], told["metrics"]);
                assert!(time(&told["previous"]["range"]["to"]) <= time(&told["range"]["from"]));
                covers(&told["series"]["points"], &told["range"]);
            }
        }
        let told = api.told("artist", DASHBOARD, &format!("timeRange={range}")).await;
        is_nothing(&told);
        assert!(told["engagement"].as_object().unwrap().values().all(Value::is_null), "{told}");
        assert_eq!(told["growth"], json!({"plays": null, "likes": null, "shares": null}));
        assert_eq!((&told["topTracks"], &told["recentActivity"]), (&json!([]), &json!({"plays": [], "likes": []})));
        if range == "all" {
            assert_eq!((&told["series"]["points"], &told["previousRange"]), (&json!([]), &Value::Null));
        } else {
            covers(&told["series"]["points"], &told["range"]);
            assert!(time(&told["previousRange"]["to"]) <= time(&told["range"]["from"]));
        }
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_states_its_time_range() {
    let api = Api::start().await;
    for (range, days) in [("7d", 6), ("30d", 29), ("90d", 89), ("1y", 364)] {
        let told = api.analytics(&format!("timeRange={range}&interval=day")).await;
        assert_eq!((&told["timeRange"], &told["timeZone"]), (&json!(range), &json!("UTC")));
        let (from, to) = (time(&told["range"]["from"]), time(&told["range"]["to"]));
        assert_eq!((to.second(), to.nanosecond()), (0, 0));
        let today = (to - TimeDelta::minutes(1)).date_naive();
        assert_eq!(from.naive_utc(), (today - Days::new(days)).and_time(NaiveTime::MIN));
        assert_eq!(told["series"]["points"].as_array().unwrap().len() as u64, days + 1);
    }
    let told = api.analytics("timeRange=24h&interval=hour").await;
    let (from, to) = (time(&told["range"]["from"]), time(&told["range"]["to"]));
    assert!(from.minute() == 0 && (to - from - TimeDelta::minutes(1)).num_hours() == 23, "{told}");
    assert_eq!(told["series"]["points"].as_array().unwrap().len(), 24);
    assert_eq!(api.analytics("").await["timeRange"], "30d");

    let told = api.analytics("from=2026-03-05T10:10:10Z&to=2026-03-08T09:00:00%2B02:00&compare=previous").await;
    assert_eq!(told["timeRange"], Value::Null);
    assert_eq!(told["range"], json!({"from": "2026-03-05T00:00:00.000Z", "to": "2026-03-08T00:00:00.000Z"}));
    assert_eq!(
        told["previous"]["range"],
        json!({"from": "2026-03-02T00:00:00.000Z", "to": "2026-03-05T00:00:00.000Z"})
    );
    let told = api.analytics("from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z&interval=month&compare=previous").await;
    assert_eq!(told["range"]["from"], "1970-01-01T00:00:00.000Z");
    assert!(time(&told["range"]["to"]) <= time(&told["asOf"]) + TimeDelta::minutes(10), "{told}");
    let from = ago(TimeDelta::hours(5));
    // Of all tracks, hours are counted as a whole.
    let told = api.analytics(&format!("from={from}&interval=hour")).await;
    assert_eq!(told["range"]["from"].as_str().unwrap(), format!("{}:00:00.000Z", &from[..13]));
    covers(&told["series"]["points"], &told["range"]);
    let told = api.analytics(&format!("trackId=song&from={from}&interval=hour")).await;
    assert_eq!(told["range"]["from"].as_str().unwrap(), format!("{}:00.000Z", &from[..16]));
    covers(&told["series"]["points"], &told["range"]);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_follow_configured_time_zone() {
    let app = App::start_with(|options| {
        options.parameters.insert("TimeZone".to_owned(), "Asia/Kolkata".to_owned());
    })
    .await;
    let api = Api { client: Client::of(app) };
    let told = api.analytics("timeRange=7d").await;
    assert_eq!(told["timeZone"], "Asia/Kolkata");
    assert!(told["range"]["from"].as_str().unwrap().ends_with("T18:30:00.000Z"), "{told}");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn range_starts_at_epoch_in_zone_behind_utc() {
    let app = App::start_with(|options| {
        options.parameters.insert("TimeZone".to_owned(), "America/New_York".to_owned());
    })
    .await;
    let api = Api { client: Client::of(app) };
    for query in ["timeRange=all", "from=0001-01-01T00:00:00Z"] {
        let told = api.analytics(query).await;
        assert_eq!(told["range"]["from"], "1970-01-01T00:00:00.000Z", "{query}");
    }
    let told = api.told("artist", DASHBOARD, "timeRange=all").await;
    assert_eq!(told["range"]["from"], "1970-01-01T00:00:00.000Z");
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unchanged_answer_is_not_modified() {
    let api = Api::start().await;
    let (admin, artist) = (api.app.token("admin"), api.app.token("artist"));
    let query = format!("from={}&to={}", ago(TimeDelta::hours(1)), ago(TimeDelta::minutes(-5)));
    for (route, query, token) in [(ANALYTICS, query.as_str(), &admin), (DASHBOARD, "timeRange=7d", &artist)] {
        api.describe("artist", "song", &json!({})).await;
        // What ends with the running minute changes with it; then it is asked again.
        let mut unchanged = false;
        let mut tag = String::new();
        for _ in 0..3 {
            let first = api.get(route, query, &[("authorization", token)]).await;
            assert_eq!((first.status.as_u16(), first.header("cache-control")), (200, "private, no-cache"));
            tag = first.header("etag").to_owned();
            let again = api.get(route, query, &[("authorization", token), ("if-none-match", &tag)]).await;
            if again.status == 304 {
                assert_eq!((again.header("etag"), again.header("cache-control")), (tag.as_str(), "private, no-cache"));
                unchanged = true;
                break;
            }
        }
        assert!(unchanged, "{route} has changed each time");
        api.post(&[event(&format!("e{}", route.len()), &json!({}))]).await;
        let changed = api.get(route, query, &[("authorization", token), ("if-none-match", &tag)]).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    }
    api.app.finish().await;
}

/// Plays of three tracks, two of them one artist's, and all that can be done with one of them.
fn history() -> Vec<Value> {
    let (started, at) = (ago(TimeDelta::seconds(20)), |seconds| ago(TimeDelta::seconds(seconds)));
    vec![
        event("start", &json!({"playId": "p", "timestamp": started, "duration": null, "source": "playlist"})),
        event("end", &json!({"playId": "p", "timestamp": started, "duration": 45, "source": "playlist"})),
        event("short", &json!({"duration": 6, "source": "player", "sessionId": "s2", "timestamp": at(15)})),
        event("again", &json!({"duration": 60, "replayed": true, "timestamp": at(12)})),
        event("like", &json!({"type": "like", "action": "like", "timestamp": at(11)})),
        event("like2", &json!({"type": "like", "action": "like", "sessionId": "s2", "timestamp": at(10)})),
        event("unlike", &json!({"type": "like", "action": "unlike", "sessionId": "s2", "timestamp": at(9)})),
        event("save", &json!({"type": "save", "action": "save", "playlistId": "l", "timestamp": at(8)})),
        event("share", &json!({"type": "share", "platform": "embed", "timestamp": at(7)})),
        event("load", &json!({"type": "download", "timestamp": at(6)})),
        event("tune", &json!({"trackId": "tune", "sessionId": "s3", "duration": null, "timestamp": at(5)})),
        event("other", &json!({"trackId": "other", "sessionId": "s4", "timestamp": at(4)})),
        event("old1", &json!({"timestamp": ago(TimeDelta::hours(36)), "duration": null, "sessionId": "s5"})),
        event("old2", &json!({"timestamp": ago(TimeDelta::hours(36)), "duration": null, "sessionId": "s5"})),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn analytics_include_live_facts() {
    let api = Api::start().await;
    api.describe("artist", "song", &json!({})).await;
    api.describe("artist", "tune", &json!({})).await;
    api.describe("admin", "other", &json!({"artistId": "ann"})).await;
    api.post(&history()).await;

    let told = api.analytics("trackId=song&timeRange=24h&interval=hour&compare=previous").await;
    assert_eq!(
        (&told["scope"], &told["trackId"], &told["readFrom"]),
        (&json!("track"), &json!("song"), &json!(["live"]))
    );
    let exact = json!({"exact": true, "standardError": null});
    assert_eq!(
        told["metrics"],
        json!({
            "plays": {
                "totalPlays": 3, "qualifiedPlays": 2, "uniquePlays": 2, "uniqueListeners": 2,
                "uniques": {"uniquePlays": exact, "uniqueListeners": exact},
                "sourceBreakdown": {
                    "landing": 0, "playlist": 1, "search": 1, "direct": 0, "share": 0, "player": 1,
                },
                "countryBreakdown": {},
                "averageDurationSeconds": 37.0, "averageCompletionRate": f64::from(7_500 + 1_000 + 10_000) / 3.0 / 100.0,
                "skipRate": 1.0 / 3.0 * 100.0, "replayRate": 1.0 / 3.0 * 100.0,
            },
            "likes": {"totalLikes": 2, "totalUnlikes": 1, "netLikes": 1},
            "shares": {
                "totalShares": 1,
                "platformBreakdown": {
                    "twitter": 0, "facebook": 0, "instagram": 0, "whatsapp": 0, "copy_link": 0, "embed": 1,
                },
            },
            "downloads": {"totalDownloads": 1},
            "saves": {"totalSaves": 1, "totalUnsaves": 0, "netSaves": 1},
        })
    );
    assert_eq!(told["previous"]["metrics"]["plays"]["totalPlays"], 2);
    assert_eq!(told["growth"], json!({"plays": 50.0, "likes": null, "shares": null, "downloads": null, "saves": null}));
    let points = &told["series"]["points"];
    covers(points, &told["range"]);
    assert_eq!((sum(points, "/plays/totalPlays"), sum(points, "/saves/totalSaves")), (3, 1));

    let told = api.analytics("artistId=artist-1&timeRange=24h&metric=plays,likes&metric=saves").await;
    assert_eq!(told["metrics"].as_object().unwrap().keys().collect::<Vec<_>>(), ["likes", "plays", "saves"]);
    assert_eq!(
        (&told["metrics"]["plays"]["totalPlays"], &told["metrics"]["plays"]["uniquePlays"]),
        (&json!(4), &json!(3))
    );
    assert_eq!((&told["previous"], &told["growth"], &told["series"]), (&Value::Null, &Value::Null, &Value::Null));

    let platform = api.analytics("timeRange=7d&interval=day").await;
    assert_eq!(platform["metrics"]["plays"]["totalPlays"], 7);
    assert_eq!(sum(&platform["series"]["points"], "/plays/totalPlays"), 7);
    for interval in ["", "&interval=hour", "&interval=day", "&interval=week", "&interval=month", "&interval=year"] {
        let all = api.analytics(&format!("trackId=song&timeRange=all{interval}")).await;
        assert_eq!(all["metrics"]["plays"]["totalPlays"], 5, "{interval}");
        if !interval.is_empty() {
            assert_eq!(sum(&all["series"]["points"], "/plays/totalPlays"), 5, "{interval}");
            let first = &all["series"]["points"][0];
            assert!(first["plays"]["totalPlays"].as_u64() >= Some(2), "{interval} begins with {first}");
        }
    }
    let minute = format!("trackId=song&from={}&to={}", ago(TimeDelta::hours(37)), ago(TimeDelta::hours(35)));
    assert_eq!(api.analytics(&minute).await["metrics"]["plays"]["totalPlays"], 2);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboard_includes_live_facts() {
    let api = Api::start().await;
    api.describe("artist", "song", &json!({"releasedAt": "2026-02-01T00:00:00Z"})).await;
    api.describe("artist", "tune", &json!({"releasedAt": "2025-02-01T00:00:00Z"})).await;
    api.describe("artist", "idle", &json!({})).await;
    api.describe("admin", "other", &json!({"artistId": "ann"})).await;
    let token = api.app.token("artist");
    let headers = [("content-type", "application/json"), ("authorization", token.as_str())];
    let (list, track) = (json!({"title": "List"}).to_string(), json!({"trackId": "song"}).to_string());
    assert_eq!(api.app.send(Method::PUT, "/api/playlists/list", &headers, list).await.status, 201);
    assert_eq!(api.app.send(Method::POST, "/api/playlists/list/submissions", &headers, track).await.status, 201);
    api.post(&history()).await;

    let told = api.told("artist", DASHBOARD, "timeRange=24h").await;
    assert_eq!((&told["timeRange"], &told["readFrom"]), (&json!("24h"), &json!(["live"])));
    assert_eq!(
        told["artist"],
        json!({
            "artistId": "artist-1", "totalTracks": 3,
            "firstReleasedAt": "2025-02-01T00:00:00.000Z", "latestReleasedAt": "2026-02-01T00:00:00.000Z",
        })
    );
    assert_eq!(
        told["overview"],
        json!({
            "totalTracks": 3, "totalPlays": 4, "qualifiedPlays": 3, "totalLikes": 2, "netLikes": 1, "totalShares": 1,
            "totalDownloads": 1, "totalSaves": 1, "uniqueListeners": 3,
            "uniques": {"uniqueListeners": {"exact": true, "standardError": null}},
            "averageDurationSeconds": 37.0, "averageCompletionRate": f64::from(7_500 + 1_000 + 10_000) / 3.0 / 100.0,
        })
    );
    assert_eq!(
        told["topTracks"],
        json!([
            {"trackId": "song", "title": "SONG", "totalPlays": 3, "totalLikes": 2},
            {"trackId": "tune", "title": "TUNE", "totalPlays": 1, "totalLikes": 0},
        ])
    );
    let engagement = &told["engagement"];
    assert_eq!((&engagement["likeRate"], &engagement["shareRate"]), (&json!(50.0), &json!(25.0)));
    assert_eq!(told["growth"], json!({"plays": 100.0, "likes": null, "shares": null}));
    let points = &told["series"]["points"];
    covers(points, &told["range"]);
    assert_eq!((sum(points, "/totalPlays"), sum(points, "/totalLikes"), sum(points, "/totalDownloads")), (4, 2, 1));

    let recent = &told["recentActivity"];
    let shown: Vec<(&str, &Value, &Value)> = recent["plays"]
        .as_array()
        .unwrap()
        .iter()
        .map(|play| (play["trackId"].as_str().unwrap(), &play["durationSeconds"], &play["completionRate"]))
        .collect();
    let (none, whole) = (&Value::Null, &json!(100.0));
    assert_eq!(
        shown,
        [
            ("tune", none, none),
            ("song", &json!(60), whole),
            ("song", &json!(6), &json!(10.0)),
            ("song", &json!(45), &json!(75.0)),
            ("song", none, none),
            ("song", none, none),
        ]
    );
    assert_eq!(recent["likes"].as_array().unwrap().len(), 2);
    assert_eq!(recent["likes"][0]["title"], "SONG");
    for name in ["session", "user", "anonymous", "\"s1\"", "network"] {
        assert!(!recent.to_string().contains(name), "{name}: {recent}");
    }

    let playlists = &told["playlistStats"];
    assert_eq!(playlists["playlists"], 1);
    assert_eq!(playlists["submissions"], json!({"total": 1, "pending": 1, "accepted": 0, "rejected": 0}));
    assert_eq!(
        (&playlists["recent"][0]["playlistId"], &playlists["recent"][0]["status"]),
        (&json!("list"), &json!("pending"))
    );

    for range in RANGES {
        let all = api.told("admin", DASHBOARD, &format!("artistId=artist-1&timeRange={range}")).await;
        let plays = if range == "24h" { 4 } else { 6 };
        assert_eq!(
            (&all["overview"]["totalPlays"], sum(&all["series"]["points"], "/totalPlays")),
            (&json!(plays), plays)
        );
    }
    let ann = api.told("admin", DASHBOARD, "artistId=ann").await;
    assert_eq!((&ann["overview"]["totalPlays"], &ann["topTracks"][0]["trackId"]), (&json!(1), &json!("other")));
    api.app.finish().await;
}
