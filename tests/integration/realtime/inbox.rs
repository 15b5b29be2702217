//! Notifications stay in the inbox of their user.

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::api::{ANN, Api, EVE, NOTIFICATIONS, Person, READ, ROOT, SAM, SUE, TIM, assert_invalid};
use super::notifications::hello;

/// Sends notifications with these titles one after the other. Returns their ids.
async fn send(api: &Api, to: &str, titles: &[&str]) -> Vec<String> {
    let mut ids = Vec::new();
    for title in titles {
        let sent = api.notify(ROOT, None, &hello(&json!({"userId": to, "title": title}))).await;
        assert_eq!(sent.status, 201, "{sent:?}");
        ids.push(sent.body["notificationId"].as_str().unwrap().to_owned());
        next_moment(api);
    }
    ids
}

/// Goes on when it is later than now, so that what comes next is the newer.
fn next_moment(api: &Api) {
    let now = api.now();
    while api.now() == now {
        std::thread::yield_now();
    }
}

/// The titles on a page.
fn titles(page: &Value) -> Vec<&str> {
    page["notifications"].as_array().unwrap().iter().map(|one| one["title"].as_str().unwrap()).collect()
}

async fn page(api: &Api, person: Person<'_>, query: &str) -> Value {
    let answer = api.inbox(person, query).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "private, no-cache"), "{answer:?}");
    answer.body
}

#[tokio::test(flavor = "multi_thread")]
async fn inbox_is_paged_newest_first_without_repeats() {
    let api = Api::start().await;
    let all: Vec<String> = (0..25).map(|number| format!("{number:02}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    send(&api, "sam", &all).await;
    send(&api, "sue", &["hers"]).await;
    for (limit, sizes) in [(10, vec![10, 10, 5]), (5, vec![5; 5]), (25, vec![25]), (24, vec![24, 1]), (100, vec![25])] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        for (at, size) in sizes.iter().enumerate() {
            let page = page(&api, SAM, &format!("?limit={limit}{cursor}")).await;
            let titles: Vec<String> = titles(&page).into_iter().map(str::to_owned).collect();
            assert_eq!((titles.len(), page["unread"].as_u64()), (*size, Some(25)), "page {at} of {limit}");
            found.extend(titles);
            assert_eq!(page["cursor"].is_null(), at + 1 == sizes.len(), "page {at} of {limit}");
            cursor = page["cursor"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
        }
        assert!(found.iter().rev().eq(all.iter()), "{found:?}");
    }
    assert_eq!(titles(&page(&api, SAM, "").await).len(), 20);
    // What comes while pages are read is on none that follow.
    let first = page(&api, SAM, "?limit=20").await;
    send(&api, "sam", &["late"]).await;
    let cursor = first["cursor"].as_str().unwrap();
    assert_eq!(titles(&page(&api, SAM, &format!("?limit=20&cursor={cursor}")).await), ["04", "03", "02", "01", "00"]);
    for (person, query) in [
        (SUE, format!("?cursor={cursor}")),
        (SAM, format!("?cursor={cursor}&from=2026-04-10T12:00:00Z")),
        (SAM, "?cursor=x".to_owned()),
        (SAM, format!("?cursor={cursor}&cursor={cursor}")),
    ] {
        assert_invalid(&api.inbox(person, &query).await, 400, &["cursor"]);
    }
    for limit in ["0", "101", "x", "-1", ""] {
        assert_invalid(&api.inbox(SAM, &format!("?limit={limit}")).await, 400, &["limit"]);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn since_returns_missed_notifications() {
    let api = Api::start().await;
    send(&api, "sam", &["a"]).await;
    api.move_to("2026-04-10T12:05:00Z");
    send(&api, "sam", &["b"]).await;
    api.move_to("2026-04-10T12:10:00Z");
    send(&api, "sam", &["c", "d"]).await;
    for (since, expected) in [
        ("2026-04-10T11:00:00Z", vec!["d", "c", "b", "a"]),
        ("2026-04-10T12:04:30Z", vec!["d", "c", "b"]),
        // One minute more is returned, for clocks that are behind.
        ("2026-04-10T12:05:55Z", vec!["d", "c", "b"]),
        ("2026-04-10T12:09:00.000Z", vec!["d", "c"]),
        ("2026-04-10T14:10:00%2B02:00", vec!["d", "c"]),
        ("2026-04-10T13:00:00Z", vec![]),
        ("2027-01-01T00:00:00Z", vec![]),
    ] {
        let told = page(&api, SAM, &format!("?from={since}")).await;
        assert_eq!((titles(&told), &told["unread"], &told["cursor"]), (expected, &json!(4), &Value::Null), "{since}");
    }
    let first = page(&api, SAM, "?from=2026-04-10T12:05:00Z&limit=2").await;
    let query = format!("?from=2026-04-10T12:05:00Z&limit=2&cursor={}", first["cursor"].as_str().unwrap());
    let second = page(&api, SAM, &query).await;
    assert_eq!((titles(&first), titles(&second)), (vec!["d", "c"], vec!["b"]));
    assert_eq!(second["cursor"], Value::Null);
    for since in ["", "yesterday", "2026-04-10", "7"] {
        assert_invalid(&api.inbox(SAM, &format!("?from={since}")).await, 400, &["from"]);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_notification_lowers_unread_count_once() {
    let api = Api::start().await;
    let ids = send(&api, "sam", &["a", "b", "c"]).await;
    let unread = async || page(&api, SAM, "").await["unread"].as_u64().unwrap();
    assert_eq!(unread().await, 3);
    let before = api.now();
    let read = api.read(SAM, &ids[1]).await;
    assert_eq!((read.status.as_u16(), read.body["title"].as_str()), (200, Some("b")), "{read:?}");
    assert!(read.body["readAt"].as_str().unwrap() >= before.to_string().as_str(), "{read:?}");
    next_moment(&api);
    let again = api.read(SAM, &ids[1]).await;
    assert_eq!((again.status.as_u16(), &again.body), (200, &read.body));
    assert_eq!(unread().await, 2);
    assert_eq!(page(&api, SAM, "").await["notifications"][1], read.body);

    let answers = join_all((0..10).map(|_| api.read(SAM, &ids[0]))).await;
    for answer in &answers {
        assert!(answer.status == 200 && answer.body == answers[0].body, "{answers:?}");
    }
    assert_eq!(unread().await, 1);
    let (one, other) = futures::join!(api.read(SAM, &ids[2]), api.read(SAM, &ids[0]));
    assert!(one.status == 200 && other.body == answers[0].body, "{one:?} {other:?}");
    assert_eq!(unread().await, 0);
    assert_eq!(titles(&page(&api, SAM, "").await), ["c", "b", "a"]);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inbox_requires_its_owner() {
    let api = Api::start().await;
    let ids = send(&api, "sam", &["a"]).await;
    for person in [SUE, EVE, ANN, TIM, ROOT] {
        api.read(person, &ids[0]).await.is_problem(404);
        let told = page(&api, person, "").await;
        assert_eq!((titles(&told).len(), &told["unread"]), (0, &json!(0)), "{person:?}");
    }
    api.read(SAM, "none").await.is_problem(404);
    assert_invalid(&api.read(SAM, "a%20b").await, 422, &["notificationId"]);
    assert_invalid(&api.read(SAM, "a%23b").await, 422, &["notificationId"]);
    let forged = [("authorization", "Bearer a.b.c")];
    api.send((Method::GET, NOTIFICATIONS), "", &forged, "").await.is_problem(401);
    api.send((Method::POST, READ), &ids[0], &forged, "").await.is_problem(401);
    assert_eq!(page(&api, SAM, "").await["unread"], 1);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unchanged_page_is_not_modified() {
    let api = Api::start().await;
    let ids = send(&api, "sam", &["a"]).await;
    let token = api.token(SAM);
    let ask = async |tag: &str| {
        let headers = [("authorization", token.as_str()), ("if-none-match", tag)];
        api.send((Method::GET, NOTIFICATIONS), "", &headers, "").await
    };
    let tag = api.inbox(SAM, "").await.header("etag").to_owned();
    assert_eq!(ask(&tag).await.status, 304);
    api.read(SAM, &ids[0]).await;
    let changed = ask(&tag).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), tag);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_dashboard_shows_unread_count() {
    let api = Api::start().await;
    let token = api.token(EVE);
    let unread = async || {
        let dashboard = (Method::GET, "/api/seller/dashboard");
        let answer = api.send(dashboard, "", &[("authorization", &token)], "").await;
        answer.body["unread"].as_u64().unwrap()
    };
    assert_eq!(unread().await, 0);
    let ids = send(&api, "eve", &["a", "b"]).await;
    send(&api, "sam", &["c"]).await;
    assert_eq!(unread().await, 2);
    for (id, left) in [(0, 1), (0, 1), (1, 0)] {
        api.read(EVE, &ids[id]).await;
        assert_eq!((unread().await, page(&api, EVE, "").await["unread"].as_u64()), (left, Some(left)));
    }
    api.app.finish().await;
}
