//! The server over real connections.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use domain::live::Credentials;
use futures::{SinkExt, StreamExt};
use http::Uri;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message as Frame};

use super::*;

/// The machine's time, moved by some seconds.
#[derive(Default)]
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> DateTime<Utc> {
        system::clock::system().now() + TimeDelta::seconds(self.0.load(Ordering::Relaxed))
    }
}

/// A server, and how to end it.
struct Running {
    port: u16,
    application: Application,
    clock: Arc<Moved>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(timing: Timing) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (application, clock) = (Application::fresh(), Arc::new(Moved::default()));
        let (stop, mut stopping) = watch::channel(false);
        let shutdown = async move { drop(stopping.wait_for(|stopping| *stopping).await) };
        let task =
            tokio::spawn(serve(application.clone(), Hosts::default(), timing, clock.clone(), listener, shutdown));
        Self { port, application, clock, stop, task }
    }

    fn credentials(&self) -> Credentials {
        let Application { app, key, secret } = self.application.clone();
        Credentials { app, key, secret }
    }

    async fn connect(&self, path: &str) -> Client {
        let uri: Uri = format!("ws://127.0.0.1:{}{path}", self.port).parse().unwrap();
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(ClientRequestBuilder::new(uri), stream).await.unwrap();
        Client { socket, id: String::new() }
    }

    /// A connection that is established.
    async fn client(&self) -> Client {
        let mut client = self.connect("/app/local?protocol=7&client=test&version=1").await;
        let established = client.told().await;
        assert_eq!(established["event"], "pusher:connection_established");
        let data: Value = serde_json::from_str(established["data"].as_str().unwrap()).unwrap();
        client.id = data["socket_id"].as_str().unwrap().to_owned();
        client
    }

    /// Posts a body to a path, signed for the time of the server; the status.
    async fn post(&self, path: &str, body: &str) -> u16 {
        let query = self.credentials().query(path, body.as_bytes(), self.clock.now().timestamp()).unwrap();
        self.post_with(path, &query, body).await
    }

    async fn post_with(&self, path: &str, query: &str, body: &str) -> u16 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let head = format!(
            "POST {path}?{query} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}",
            body.len()
        );
        // A server that has rejected the request need not read on.
        drop(stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        let answer = String::from_utf8(answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

struct Client {
    socket: WebSocketStream<TcpStream>,
    id: String,
}

impl Client {
    async fn say(&mut self, message: &Value) {
        self.socket.send(Frame::text(message.to_string())).await.unwrap();
    }

    /// The next message.
    async fn told(&mut self) -> Value {
        match self.socket.next().await.unwrap().unwrap() {
            Frame::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The code that the server closes with.
    async fn closed(&mut self) -> u16 {
        match self.socket.next().await.unwrap().unwrap() {
            Frame::Close(Some(frame)) => frame.code.into(),
            other => panic!("{other:?}"),
        }
    }

    /// Subscribes with this signature; what that was answered.
    async fn subscribes(&mut self, channel: &str, auth: Option<&str>, data: Option<&str>) -> Value {
        let data = json!({"channel": channel, "auth": auth, "channel_data": data});
        self.say(&json!({"event": "pusher:subscribe", "data": data})).await;
        self.told().await
    }
}

#[tokio::test]
async fn an_invalid_connection_gets_an_error_and_is_closed() {
    let server = Running::start(Timing::default()).await;
    for (path, code) in [
        ("/app/other?protocol=7", 4001),
        ("/app/local", 4008),
        ("/app/local?protocol=x", 4006),
        ("/app/local?protocol=99", 4007),
    ] {
        let mut client = server.connect(path).await;
        let told = client.told().await;
        assert_eq!((&told["event"], &told["data"]["code"]), (&json!("pusher:error"), &json!(code)), "{path}");
        assert_eq!(client.closed().await, code, "{path}");
    }
}

#[tokio::test]
async fn a_restricted_channel_requires_a_signature_for_the_connection_and_channel() {
    let server = Running::start(Timing::default()).await;
    let (mut ann, bob) = (server.client().await, server.client().await);
    let sign = |client: &Client, channel, data| {
        server.credentials().subscription(&client.id.parse().unwrap(), channel, data).unwrap()
    };
    let member = r#"{"user_id":"ann"}"#;
    let wrong = Credentials { secret: "another".to_owned(), ..server.credentials() };
    for (channel, auth, data) in [
        ("private-a", None, None),
        ("private-a", Some(sign(&bob, "private-a", None)), None),
        ("private-a", Some(sign(&ann, "private-b", None)), None),
        ("private-a", wrong.subscription(&ann.id.parse().unwrap(), "private-a", None), None),
        ("private-encrypted-a", None, None),
        ("presence-a", Some(sign(&ann, "presence-a", None)), Some(member)),
        ("presence-a", None, Some(member)),
    ] {
        let told = ann.subscribes(channel, auth.as_deref(), data).await;
        assert_eq!(
            (&told["event"], &told["data"]["code"]),
            (&json!("pusher:error"), &json!(4009)),
            "{channel} {auth:?}"
        );
    }
    // The connection goes on.
    let auth = sign(&ann, "private-a", None);
    let told = ann.subscribes("private-a", Some(&auth), None).await;
    assert_eq!((&told["event"], &told["data"]), (&json!("pusher_internal:subscription_succeeded"), &json!("{}")));
    let auth = sign(&ann, "presence-a", Some(member));
    let told = ann.subscribes("presence-a", Some(&auth), Some(member)).await;
    assert_eq!(told["event"], "pusher_internal:subscription_succeeded");
    assert_eq!(told["data"], json!({"presence": {"count": 1, "ids": ["ann"], "hash": {"ann": null}}}).to_string());
}

#[tokio::test]
async fn unsigned_and_oversized_requests_publish_nothing() {
    let server = Running::start(Timing::default()).await;
    let mut page = server.client().await;
    assert_eq!(page.subscribes("a", None, None).await["event"], "pusher_internal:subscription_succeeded");
    let event = |name: &str, data: &str| json!({"channel": "a", "name": name, "data": data});
    let batch = |events: &[Value]| json!({"batch": events}).to_string();
    let (one, many) = ("/apps/local/events", "/apps/local/batch_events");
    let good = event("e", "1").to_string();
    let largest = "x".repeat(10 * 1024);

    for (status, path, body) in [
        (404, "/apps/other/events", good.clone()),
        (404, "/apps/local/channels", good.clone()),
        (400, one, "{".to_owned()),
        (400, one, json!({"name": "e", "data": "1"}).to_string()),
        (400, one, json!({"channels": vec!["a"; 101], "name": "e", "data": "1"}).to_string()),
        (400, one, json!({"channel": "a", "name": "e", "data": {}}).to_string()),
        (400, one, event("", "1").to_string()),
        (400, one, event("pusher:error", "1").to_string()),
        (400, many, batch(&vec![event("e", "1"); 11])),
        (400, many, batch(&[event("e", "1"), json!({"channel": "a b", "name": "e", "data": "1"})])),
        (413, many, batch(&[event("e", "1"), event("e", &format!("{largest}x"))])),
        (413, one, event("e", &"x".repeat(LARGEST_REQUEST)).to_string()),
    ] {
        assert_eq!(server.post(path, &body).await, status, "{path} {}", body.chars().take(200).collect::<String>());
    }
    let now = server.clock.now().timestamp();
    let query = |at| server.credentials().query(one, good.as_bytes(), at).unwrap();
    assert_eq!(server.post_with(one, &query(now), &event("e", "2").to_string()).await, 401);
    assert_eq!(server.post_with(one, &query(now).replace("auth_signature=", "auth_signature=0"), &good).await, 401);
    assert_eq!(server.post_with(one, "", &good).await, 401);
    server.clock.0.store(3_600, Ordering::Relaxed);
    assert_eq!(server.post_with(one, &query(now), &good).await, 401);

    // The server's clock decides, and the page receives nothing else.
    assert_eq!(server.post(one, &json!({"channels": ["a", "b"], "name": "e", "data": "last"}).to_string()).await, 200);
    assert_eq!(page.told().await, json!({"event": "e", "channel": "a", "data": "last"}));
    let others = json!({"channel": "a", "name": "e", "data": "others", "socket_id": page.id});
    assert_eq!(server.post(many, &batch(&[others, event("f", &largest)])).await, 200);
    assert_eq!(page.told().await, json!({"event": "f", "channel": "a", "data": largest}));
}

#[tokio::test]
async fn answers_pings_and_rejects_malformed_messages() {
    let server = Running::start(Timing::default()).await;
    let mut client = server.client().await;
    client.say(&json!({"event": "pusher:ping", "data": {}})).await;
    assert_eq!(client.told().await["event"], "pusher:pong");
    for (message, code) in [
        (json!({"event": "pusher:subscribe", "data": {"channel": "no name"}}), 4300),
        (json!({"event": "pusher:signin", "data": {}}), 4300),
        (json!({"event": "client-a", "channel": "private-a", "data": {}}), 4301),
    ] {
        client.say(&message).await;
        assert_eq!(client.told().await["data"]["code"], code, "{message}");
    }
}

#[tokio::test]
async fn silent_clients_are_pinged_and_then_closed() {
    let timing = Timing { activity: Duration::from_millis(20), pong: Duration::from_secs(120) };
    let server = Running::start(timing).await;
    let mut client = server.client().await;
    for _ in 0..2 {
        assert_eq!(client.told().await["event"], "pusher:ping");
        client.say(&json!({"event": "pusher:pong", "data": {}})).await;
    }
    let server = Running::start(Timing { pong: Duration::from_millis(20), ..timing }).await;
    let mut client = server.client().await;
    assert_eq!(client.told().await["event"], "pusher:ping");
    assert_eq!(client.told().await["data"]["code"], 4201);
    assert_eq!(client.closed().await, 4201);
}

#[tokio::test]
async fn a_stopping_server_asks_pages_to_reconnect() {
    let server = Running::start(Timing::default()).await;
    let mut client = server.client().await;
    server.stop.send_replace(true);
    assert_eq!(client.told().await["data"]["code"], 4200);
    assert_eq!(client.closed().await, 4200);
    server.task.await.unwrap();
}

#[tokio::test]
async fn rejects_pages_that_use_a_foreign_host_name() {
    let server = Running::start(Timing::default()).await;
    for (host, status) in [("localhost", "101"), ("rebound.example", "403")] {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        let request = format!(
            "GET /app/local?protocol=7 HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(std::str::from_utf8(&answer).unwrap(), format!("HTTP/1.1 {status}"), "{host}");
    }
    server.stop.send_replace(true);
    server.task.await.unwrap();
}
