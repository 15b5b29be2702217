//! A gateway without a socket, with scripted functions.

mod answers;
mod decisions;
mod events;
mod logs;
mod pages;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::*;
use crate::lambda::{Event, InvokeFailure, Invoker};

/// A function that answers as the body requests, and an authorizer that decides by the header.
#[derive(Default)]
struct Told {
    events: Mutex<Vec<Value>>,
    asked: AtomicUsize,
}

impl Invoker for Told {
    fn invoke<'a>(&'a self, function: &'a str, event: Event) -> BoxFuture<'a, Result<String, InvokeFailure>> {
        async move {
            let event: Value = serde_json::from_str(&event.payload).unwrap();
            let authorization = event["headers"]["authorization"].as_str().unwrap_or_default().to_owned();
            let body = event["body"].as_str().unwrap_or("{}").to_owned();
            if function == "Guard" {
                self.asked.fetch_add(1, Ordering::Relaxed);
            }
            self.events.lock().unwrap().push(event);
            match (function, authorization.as_str(), body.as_str()) {
                ("Guard", "broken", _) => Ok("{}".to_owned()),
                ("Guard", "panics", _) => Err(InvokeFailure::Panicked(String::new())),
                ("Guard", "slow", _) => std::future::pending().await,
                ("Guard", who, _) => {
                    Ok(json!({"isAuthorized": who == "good", "context": {"sub": who, "n": 1}}).to_string())
                }
                (_, _, "fail") => Err(InvokeFailure::Failed { message: String::new() }),
                (_, _, "panic") => Err(InvokeFailure::Panicked(String::new())),
                (_, _, "gone") => Err(InvokeFailure::Unavailable),
                (_, _, "hang") => std::future::pending().await,
                (_, _, answer) => Ok(answer.to_owned()),
            }
        }
        .boxed()
    }
}

struct Api {
    gateway: Arc<Gateway>,
    told: Arc<Told>,
}

fn api() -> Api {
    api_with(|_| {}, |gateway| gateway)
}

fn api_with(change: impl FnOnce(&mut ApiConfig), with: impl FnOnce(Gateway) -> Gateway) -> Api {
    let authorizer = |identity: Vec<IdentitySource>, seconds| AuthorizerConfig {
        function: "Guard".to_owned(),
        identity,
        remembered: Duration::from_secs(seconds),
    };
    let header = IdentitySource::Header("authorization".to_owned());
    let route = |method: &str, path: &str, authorizer: Option<&str>| RouteConfig {
        target: Target::parse(method, path).unwrap(),
        function: "Echo".to_owned(),
        authorizer: authorizer.map(str::to_owned),
        timeout: Duration::from_secs(30),
    };
    let mut config = ApiConfig {
        id: "api".to_owned(),
        cors: Some(CorsConfig {
            allow_origins: vec!["https://a.example".to_owned()],
            allow_methods: vec!["GET".to_owned(), "PUT".to_owned()],
            allow_headers: vec!["content-type".to_owned()],
            expose_headers: vec!["etag".to_owned()],
            max_age: Some(60),
            allow_credentials: false,
            allow_this_machine: false,
        }),
        authorizers: BTreeMap::from([
            ("Kept".to_owned(), authorizer(vec![header.clone()], 60)),
            ("Both".to_owned(), authorizer(vec![header, IdentitySource::Query("key".to_owned())], 60)),
            ("Fresh".to_owned(), authorizer(vec![], 0)),
        ]),
        routes: vec![
            route("POST", "/open/{id}", None),
            route("GET", "/open/{id}", None),
            route("GET", "/kept", Some("Kept")),
            route("GET", "/kept/too", Some("Kept")),
            route("GET", "/both", Some("Both")),
            route("GET", "/fresh", Some("Fresh")),
            route("GET", "/busy", Some("Fresh")),
        ],
        throttles: ThrottleConfig {
            default: None,
            routes: [("GET /busy".to_owned(), Throttle { burst: 1.0, rate: 0.001 })].into(),
        },
    };
    change(&mut config);
    let told = Arc::new(Told::default());
    let functions = Arc::clone(&told) as Arc<dyn Invoker>;
    let gateway = Gateway::new(config, functions, system::clock::system(), system::ids::random(), 8255);
    Api { gateway: Arc::new(with(gateway)), told }
}

impl Api {
    async fn send(&self, request: http::request::Builder, body: impl Into<Body>) -> Response<Body> {
        let caller = ConnectInfo("192.0.2.7:1234".parse().unwrap());
        handle::handle(State(Arc::clone(&self.gateway)), caller, request.body(body.into()).unwrap()).await
    }

    async fn get(&self, path: &str, authorization: &str) -> StatusCode {
        let request = Request::get(path).header("host", "h");
        let request = if authorization.is_empty() { request } else { request.header("authorization", authorization) };
        self.send(request, Body::empty()).await.status()
    }

    /// What a function's answer becomes.
    async fn answered(&self, answer: impl ToString) -> (u16, BTreeMap<String, String>, String) {
        read(self.send(Request::post("/open/x").header("content-type", "text/plain"), answer.to_string()).await).await
    }

    fn last_event(&self) -> Value {
        self.told.events.lock().unwrap().last().cloned().unwrap()
    }
}

async fn read(response: Response<Body>) -> (u16, BTreeMap<String, String>, String) {
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let (status, headers) = (response.status().as_u16(), headers.collect());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, headers, String::from_utf8_lossy(&body).into_owned())
}
