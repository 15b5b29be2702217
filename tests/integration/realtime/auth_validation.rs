//! Invalid requests for authorization are rejected.

use http::Method;
use serde_json::json;

use super::api::{AUTH, Api, EVE, JSON, ROOT};
use super::auth::{SOCKET, asks, is_refused};

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_socket_ids() {
    let api = Api::start().await;
    for socket in [
        "",
        ".",
        "1",
        "1.",
        ".1",
        "1.2.3",
        "a.b",
        "-1.2",
        "+1.2",
        "1,2",
        " 1.2",
        "1.2 ",
        "1.2\n",
        "1.2\u{0}",
        "1.2:private-user-sam",
        "1.1:private-user-sam:",
        "\u{663}.1",
        "123456789012345678901.1",
    ] {
        for channel in ["private-user-eve", "private-user-sam", "public-leaderboard"] {
            is_refused(&asks(&api, EVE, socket, channel).await, 400);
        }
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_channel_names() {
    let api = Api::start().await;
    let of = |count: usize| format!("private-user-{}", "x".repeat(count - 13));
    for (channel, status) in [
        ("", 400),
        (" ", 400),
        ("private-user-eve ", 400),
        (" private-user-eve", 400),
        ("private-user-eve\n", 400),
        ("private-user-\u{e9}ve", 400),
        ("private-user-a:b", 400),
        ("private-user-a/b", 400),
        ("private-user-a#b", 400),
        ("private-user-a%b", 400),
        ("private-user-eve\u{0}", 400),
        ("#server-to-user-eve", 400),
        (&of(165), 400),
        (&of(3_000), 400),
        (&of(164), 403),
        (&of(13 + 65), 403),
    ] {
        for person in [EVE, ROOT] {
            is_refused(&asks(&api, person, SOCKET, channel).await, status);
        }
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_malformed_bodies() {
    let api = Api::start().await;
    let token = api.token(EVE);
    let whole = json!({"socket_id": SOCKET, "channel_name": "private-user-eve"}).to_string();
    let large = json!({"socket_id": SOCKET, "channel_name": "private-user-eve", "x": "x".repeat(4_096)}).to_string();
    let form = "application/x-www-form-urlencoded";
    for (kind, body, status) in [
        (JSON.1, "", 400),
        (JSON.1, "{", 400),
        (JSON.1, "{}", 400),
        (JSON.1, "socket_id=1.2&channel_name=private-user-eve", 400),
        (JSON.1, r#"{"socket_id":"1.2"}"#, 400),
        (JSON.1, r#"{"channel_name":"private-user-eve"}"#, 400),
        (JSON.1, r#"{"socket_id":1.2,"channel_name":"private-user-eve"}"#, 400),
        (JSON.1, r#"{"socket_id":"1.2","channel_name":["private-user-eve"]}"#, 400),
        (JSON.1, "[]", 422),
        (JSON.1, "null", 422),
        (form, "", 400),
        (form, "socket_id=1.2", 400),
        (form, "channel_name=private-user-eve", 400),
        (form, "Socket_Id=1.2&channel_name=private-user-eve", 400),
        (form, &whole, 400),
        ("text/plain", &whole, 415),
        ("multipart/form-data; boundary=x", &whole, 415),
        (JSON.1, &large, 400),
        (form, &format!("socket_id=1.2&channel_name=private-user-eve&x={}", "x".repeat(4_096)), 400),
    ] {
        let headers = [("content-type", kind), ("authorization", token.as_str())];
        is_refused(&api.send((Method::POST, AUTH), "", &headers, body.to_owned()).await, status);
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authorization_is_not_found_without_pusher_configuration() {
    let api = Api::without_keys().await;
    for channel in ["private-user-eve", "private-leaderboard", "private-user-sam"] {
        is_refused(&asks(&api, EVE, SOCKET, channel).await, 404);
    }
    is_refused(&asks(&api, EVE, "1", "private-user-eve").await, 400);
    is_refused(&asks(&api, EVE, SOCKET, "private-user-a:b").await, 400);
    api.app.finish().await;
}
