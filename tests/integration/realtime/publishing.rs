//! The way to a server of channels: signed requests, what it takes, and what it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use serde_json::{Value, json};

use super::api::{ANNOUNCEMENTS, Api, ROOT};
use super::notifications::hello;
use super::server::{Asked, How, Server, Told};

/// What the server finds too large.
const LARGE: &str = "Large";

/// What the server answers while the test writes: all that it will be asked of waits together.
const NOT_YET: How = How::Status(503);

fn has_large(events: &[Told]) -> bool {
    events.iter().any(|told| told.data["title"] == LARGE)
}

/// A site whose server answers by a rule, once it is open.
async fn closed(mut rule: impl FnMut(&[Told]) -> How + Send + 'static) -> (Api, Arc<AtomicBool>) {
    let open = Arc::new(AtomicBool::new(false));
    let is_open = Arc::clone(&open);
    let server = Server::start(move |events| if is_open.load(Ordering::SeqCst) { rule(events) } else { NOT_YET });
    (Api::start_with(server.await).await, open)
}

async fn announce(api: &Api, title: &str) {
    let body = json!({"title": title, "message": "x", "type": "info"});
    let answer = api.call((Method::POST, ANNOUNCEMENTS), "", ROOT, &[], &body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    // The next one is later.
    let now = api.now();
    while api.now() == now {
        std::thread::yield_now();
    }
}

/// Opens the server and waits until everything is delivered. Returns the requests since then.
async fn delivered(api: &Api, open: &AtomicBool) -> Vec<Asked> {
    let asked = api.server.asked().len();
    open.store(true, Ordering::SeqCst);
    api.app.settled().await;
    let mut asked = api.server.asked().split_off(asked);
    asked.retain(|asked| asked.how != NOT_YET);
    asked
}

/// The titles of each request's events, and what became of it.
fn titles(asked: &[Asked]) -> Vec<(Vec<String>, How)> {
    let title = |told: &Told| told.data["title"].as_str().unwrap().to_owned();
    asked.iter().map(|asked| (asked.events().iter().map(title).collect(), asked.how)).collect()
}

fn expected(requests: &[(&[&str], How)]) -> Vec<(Vec<String>, How)> {
    requests.iter().map(|(titles, how)| (titles.iter().map(|title| (*title).to_owned()).collect(), *how)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_signed_and_have_at_most_ten_events() {
    let (api, open) = closed(|_| How::Status(200)).await;
    let began = api.now().seconds();
    let numbers: Vec<String> = (10..35).map(|number| number.to_string()).collect();
    for number in &numbers {
        announce(&api, number).await;
    }
    let asked = delivered(&api, &open).await;
    let sizes: Vec<usize> = asked.iter().map(|asked| asked.events().len()).collect();
    assert_eq!(sizes, [10, 10, 5]);
    let found: Vec<String> = titles(&asked).into_iter().flat_map(|(titles, _)| titles).collect();
    assert_eq!(found, numbers);
    for asked in api.server.asked() {
        let signed = asked.is_signed();
        assert!((began..=api.now().seconds()).contains(&signed), "{signed}");
    }
    assert_eq!(api.outbox("").len(), 0);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_event_is_set_aside_and_blocks_nothing() {
    let rule = |events: &[Told]| How::Status(if has_large(events) { 413 } else { 200 });
    let (api, open) = closed(rule).await;
    for title in ["a", "b", LARGE, "c", "d", "e", "f", "g", "h", "i", "j", "k"] {
        announce(&api, title).await;
    }
    let asked = delivered(&api, &open).await;
    let (ok, refused) = (How::Status(200), How::Status(413));
    let mut all = vec![(&["a", "b", LARGE, "c", "d", "e", "f", "g", "h", "i"][..], refused)];
    all.extend([(&["a"][..], ok), (&["b"], ok), (&[LARGE], refused), (&["c"], ok), (&["d"], ok), (&["e"], ok)]);
    all.extend([(&["f"][..], ok), (&["g"], ok), (&["h"], ok), (&["i"], ok), (&["j", "k"], ok)]);
    assert_eq!(titles(&asked), expected(&all));

    let [aside] = api.outbox("").try_into().unwrap();
    assert_eq!(aside["pk"]["S"], "ASIDE#CHANNEL#public-announcements");
    assert_eq!(
        (&aside["name"]["S"], &aside["reason"]["S"]),
        (&json!("announcement"), &json!("413 Payload Too Large because"))
    );
    let data: Value = serde_json::from_str(aside["data"]["S"].as_str().unwrap()).unwrap();
    assert_eq!(data["title"], LARGE);
    let kept = aside["ttl"]["N"].as_str().unwrap().parse::<i64>().unwrap() - api.now().seconds();
    assert!((13 * 24 * 3600..=14 * 24 * 3600).contains(&kept), "{kept}");
    assert_eq!(api.app.queue_depth("RealtimeFailuresQueue"), 1);
    api.app.finish_with_failures(&["RealtimeFailuresQueue"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transient_failures_are_retried_in_order() {
    let mut answers = [
        How::Status(500),
        How::Status(429),
        How::Drop,
        How::Status(401),
        How::Hang,
        How::Status(302),
        How::Status(404),
    ]
    .into_iter();
    let (api, open) = closed(move |_| answers.next().unwrap_or(How::Status(200))).await;
    for title in ["a", "b", "c"] {
        announce(&api, title).await;
    }
    let asked = delivered(&api, &open).await;
    assert_eq!(asked.len(), 8, "{:?}", titles(&asked));
    for (at, (titles, how)) in titles(&asked).into_iter().enumerate() {
        assert_eq!(titles, ["a", "b", "c"]);
        assert_eq!(how == How::Status(200), at == 7);
        assert_eq!(asked[at].body, asked[0].body, "what is sent again is the same");
        asked[at].is_signed();
    }
    assert_eq!(api.outbox("").len(), 0);
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_event_blocks_only_its_channel() {
    let mut tries = 0;
    let rule = move |events: &[Told]| {
        let is_held = events.iter().any(|told| told.data["title"] == "a");
        tries += i32::from(is_held);
        match (has_large(events), is_held) {
            (true, _) => How::Status(413),
            // It was in a batch twice, and alone twice.
            (_, true) if tries < 4 => How::Status(500),
            _ => How::Status(200),
        }
    };
    let (api, open) = closed(rule).await;
    for title in ["a", "b"] {
        announce(&api, title).await;
    }
    let sent = api.notify(ROOT, None, &hello(&json!({"title": LARGE}))).await;
    assert_eq!(sent.status, 201, "{sent:?}");
    let sent = api.notify(ROOT, None, &hello(&json!({"title": "last", "userId": "sue"}))).await;
    assert_eq!(sent.status, 201, "{sent:?}");
    delivered(&api, &open).await;
    let taken = api.server.taken();
    let of = |channel: &str| -> Vec<&str> {
        let of_it = taken.iter().filter(|told| told.channel == channel);
        of_it.map(|told| told.data["title"].as_str().unwrap()).collect()
    };
    assert_eq!((of("public-announcements"), of("private-user-sue")), (vec!["a", "b"], vec!["last"]));
    assert_eq!(of("private-user-sam"), Vec::<&str>::new());
    assert_eq!((api.outbox("CHANNEL#").len(), api.outbox("ASIDE#CHANNEL#private-user-sam").len()), (0, 1));
    api.app.finish_with_failures(&["RealtimeFailuresQueue"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn set_aside_event_is_reported_while_next_one_is_retried() {
    let mut singles = 0;
    let (api, open) = closed(move |events| {
        if has_large(events) {
            return How::Status(413);
        }
        singles += 1;
        How::Status(if singles == 1 { 500 } else { 200 })
    })
    .await;
    for title in [LARGE, "b"] {
        announce(&api, title).await;
    }
    delivered(&api, &open).await;
    assert_eq!((api.outbox("ASIDE#").len(), api.outbox("CHANNEL#").len()), (1, 0));
    assert_eq!(api.app.queue_depth("RealtimeFailuresQueue"), 1);
    api.app.finish_with_failures(&["RealtimeFailuresQueue"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_set_aside_event_is_reported() {
    let (api, open) = closed(|events| How::Status(if has_large(events) { 413 } else { 200 })).await;
    for title in [LARGE, LARGE, LARGE] {
        announce(&api, title).await;
    }
    delivered(&api, &open).await;
    assert_eq!(api.outbox("ASIDE#").len(), 3);
    let said = api.app.queue_depth("RealtimeFailuresQueue");
    api.app.finish_with_failures(&["RealtimeFailuresQueue"]).await;
    assert_eq!(said, 3);
}
