//! A client of the HTTP API, which does not give up at the first fault.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

/// The path that takes events.
pub const EVENTS: &str = "/api/stats/events";

/// The timeout of a request; API Gateway answers within 30 s.
const TIMEOUT: Duration = Duration::from_secs(31);

/// The caller.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// The bearer of a token; only an admin's may send events of any age.
    Token(String),
    /// An anonymous caller with the public write key.
    WriteKey(String),
}

/// The attempts of a request and the pauses between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Tries at most.
    pub tries: u32,
    /// The longest rest after the first try; it doubles with each further one.
    pub first: Duration,
    /// The longest rest after any try.
    pub longest: Duration,
}

/// About 20 seconds of outage.
impl Default for Patience {
    fn default() -> Self {
        Self { tries: 10, first: Duration::from_millis(100), longest: Duration::from_secs(5) }
    }
}

impl Patience {
    /// Pauses after a failed attempt (from 1), at least as long as the API requested.
    pub async fn rest(&self, tried: u32, asked: Option<Duration>) {
        let longest = self.first.saturating_mul(1 << (tried - 1).min(16)).min(self.longest);
        // Clients that failed together shall not come again together.
        let drawn = longest.mul_f64(0.5 + fastrand::f64() / 2.0);
        tokio::time::sleep(drawn.max(asked.unwrap_or_default().min(self.longest))).await;
    }
}

/// The failure of a request.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The URL or the credential is not usable.
    #[error("{0}")]
    Setup(String),
    /// No answer came, or none but errors that pass.
    #[error("no answer (tried {tries}×): {last}")]
    Unreachable {
        /// Requests made.
        tries: u32,
        /// The failure of the last attempt.
        last: String,
    },
    /// The API rejects the request; retries are useless.
    #[error("refused with {status}: {detail}")]
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// The detail of its problem document.
        detail: String,
    },
    /// The answer is not what the API promises.
    #[error("unexpected answer: {0}")]
    Malformed(String),
}

/// An answer of any status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
    /// The requested wait.
    pub retry_after: Option<Duration>,
}

impl Answer {
    /// The detail in its body.
    ///
    /// # Errors
    /// [`ApiError::Malformed`].
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ApiError> {
        parse(&self.body)
    }

    /// The rejection, with the reason in its body.
    #[must_use]
    pub fn refused(&self) -> ApiError {
        refused(self.status, &self.body)
    }
}

/// The outcome of a batch of events.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Receipt {
    /// Events that are recorded now, or were before.
    pub accepted: u64,
    /// Events that are not recorded.
    pub rejected: Vec<Rejection>,
    /// Events that a crawler sent.
    pub dropped: u64,
}

/// An event that is not recorded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Rejection {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// The reason; `retry` means that the event may be sent again.
    pub reason: String,
    /// The field that is wrong.
    pub field: Option<String>,
}

/// A track: the fields that this crate compares.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Track {
    /// Its numbers so far.
    pub counters: Counters,
}

/// The numbers of a track that plays alone make.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// All plays.
    pub total_plays: u64,
    /// Plays that were not skipped.
    pub qualified_plays: u64,
    /// Skipped plays.
    pub total_skips: u64,
    /// Seconds of all plays.
    pub total_duration_seconds: f64,
    /// Plays by source.
    pub source_breakdown: BTreeMap<String, u64>,
}

/// A client of one API.
#[derive(Clone)]
pub struct Api {
    base: String,
    credential: Option<(HeaderName, HeaderValue)>,
    agent: HeaderValue,
    http: Http,
    patience: Patience,
}

#[derive(Clone)]
enum Http {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Api {
    /// A client of the API at `url`, such as `http://127.0.0.1:8255`.
    ///
    /// # Errors
    /// [`ApiError::Setup`].
    pub fn new(url: &str, credential: Option<&Credential>, patience: Patience) -> Result<Self, ApiError> {
        let setup = |problem: &dyn fmt::Display| ApiError::Setup(format!("{url:?}: {problem}"));
        let base = url.trim_end_matches('/').to_owned();
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let client = Client::builder(TokioExecutor::new());
        let http = match base.split_once("://") {
            Some(("http", _)) => Http::Plain(client.build(connector)),
            Some(("https", _)) => {
                let tls = HttpsConnectorBuilder::new().with_native_roots().map_err(|error| setup(&error))?;
                Http::Tls(client.build(tls.https_only().enable_http1().wrap_connector(connector)))
            }
            _ => return Err(setup(&"not an http or https URL")),
        };
        let credential = match credential {
            Some(Credential::Token(token)) => Some((AUTHORIZATION, format!("Bearer {token}"))),
            Some(Credential::WriteKey(key)) => Some((HeaderName::from_static("x-write-key"), key.clone())),
            None => None,
        };
        let credential = credential
            .map(|(name, value)| Ok((name, HeaderValue::try_from(value)?)))
            .transpose()
            .map_err(|_: http::header::InvalidHeaderValue| ApiError::Setup("the credential is malformed".to_owned()))?;
        let agent = HeaderValue::from_static(concat!("tally-replay/", env!("CARGO_PKG_VERSION")));
        Ok(Self { base, credential, agent, http, patience })
    }

    /// The same, with another program's name.
    #[must_use]
    pub fn with_agent(self, agent: &'static str) -> Self {
        Self { agent: HeaderValue::from_static(agent), ..self }
    }

    /// The retries of this client.
    #[must_use]
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// Sends events, `{"events": […]}`, until the API answers with their outcomes.
    ///
    /// # Errors
    /// Nothing is known of the events then, and they may be sent again.
    pub async fn post_events(&self, events: Bytes) -> Result<Receipt, ApiError> {
        let answer = self.insist(Method::POST, EVENTS, events).await?;
        match answer.status {
            StatusCode::OK | StatusCode::MULTI_STATUS => parse(&answer.body),
            status => Err(refused(status, &answer.body)),
        }
    }

    /// The track with this id; `None` if it does not exist.
    ///
    /// # Errors
    /// Nothing is known of the track then.
    pub async fn track(&self, id: &str) -> Result<Option<Track>, ApiError> {
        let answer = self.insist(Method::GET, &format!("/api/tracks/{id}"), Bytes::new()).await?;
        match answer.status {
            StatusCode::OK => parse(&answer.body).map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(refused(status, &answer.body)),
        }
    }

    /// Sends a request until an answer comes that will not change by asking again.
    ///
    /// # Errors
    /// [`ApiError::Unreachable`].
    pub async fn insist(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, ApiError> {
        self.insist_once(method, path, None, body).await
    }

    /// The same, of a request that is done once however often it is sent with this key.
    ///
    /// # Errors
    /// [`ApiError::Unreachable`].
    pub async fn insist_once(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Bytes,
    ) -> Result<Answer, ApiError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (last, asked) = match self.send_once(method.clone(), path, key, body.clone()).await {
                Ok(answer) if passes(answer.status) => {
                    (refused(answer.status, &answer.body).to_string(), answer.retry_after)
                }
                Ok(answer) => return Ok(answer),
                Err(error @ ApiError::Setup(_)) => return Err(error),
                Err(ApiError::Unreachable { last, .. }) => (last, None),
                Err(error) => (error.to_string(), None),
            };
            if tries >= self.patience.tries {
                return Err(ApiError::Unreachable { tries, last });
            }
            self.patience.rest(tries, asked).await;
        }
    }

    /// Sends a request once and returns any answer.
    ///
    /// # Errors
    /// [`ApiError::Unreachable`] if none came, [`ApiError::Setup`] if there is no such URL.
    pub async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, ApiError> {
        self.send_once(method, path, None, body).await
    }

    /// The same, of a request that is done once however often it is sent with this key.
    ///
    /// # Errors
    /// [`ApiError::Unreachable`] if none came, [`ApiError::Setup`] if there is no such URL.
    pub async fn send_once(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Bytes,
    ) -> Result<Answer, ApiError> {
        let mut request =
            Request::builder().method(method).uri(format!("{}{path}", self.base)).header(USER_AGENT, &self.agent);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some((name, value)) = &self.credential {
            request = request.header(name, value);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Full::new(body)).map_err(|error| ApiError::Setup(error.to_string()))?;
        let unreachable = |last: String| ApiError::Unreachable { tries: 1, last };
        let exchange = async {
            let response = match &self.http {
                Http::Plain(client) => client.request(request).await,
                Http::Tls(client) => client.request(request).await,
            };
            let (head, body) = response.map_err(|error| unreachable(chain(&error)))?.into_parts();
            let body = body.collect().await.map_err(|error| unreachable(chain(&error)))?.to_bytes();
            let seconds = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            Ok(Answer { status: head.status, body, retry_after: seconds.map(Duration::from_secs) })
        };
        tokio::time::timeout(TIMEOUT, exchange)
            .await
            .unwrap_or_else(|_| Err(unreachable(format!("none within {} s", TIMEOUT.as_secs()))))
    }
}

/// Whether an answer may be another one next time.
fn passes(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

fn refused(status: StatusCode, body: &Bytes) -> ApiError {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Problem {
        title: String,
        detail: String,
        message: String,
    }
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let said = [problem.title, problem.detail, problem.message];
    let said: Vec<String> = said.into_iter().filter(|text| !text.is_empty()).collect();
    let detail = if said.is_empty() { "no reason given".to_owned() } else { said.join(": ") };
    ApiError::Refused { status, detail }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::Malformed(error.to_string()))
}

/// An error and its causes; HTTP clients put the helpful part last.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stub::{Stub, impatient};

    #[tokio::test]
    async fn insists_through_outages_and_broken_connections() {
        let stub = Stub::start(|number, _| match number {
            0 => Some((503, r#"{"title":"down"}"#.to_owned())),
            1 => None,
            2 => Some((429, String::new())),
            _ => Some((200, r#"{"accepted":1,"rejected":[],"dropped":0,"serverTime":"-"}"#.to_owned())),
        })
        .await;
        let receipt = stub.api().post_events(Bytes::from_static(b"{}")).await.unwrap();
        assert_eq!(receipt, Receipt { accepted: 1, rejected: vec![], dropped: 0 });
        let requests = stub.requests();
        assert_eq!(requests.len(), 4);
        assert!(
            requests.iter().all(|request| request.line == "POST /api/stats/events HTTP/1.1" && request.body == "{}")
        );
        assert!(requests.iter().all(|request| request.head.contains("authorization: Bearer secret")));
    }

    #[tokio::test]
    async fn insists_with_the_same_key() {
        let stub = Stub::start(|number, _| (number > 0).then(|| (201, String::new()))).await;
        let answer = stub.api().insist_once(Method::POST, "/a", Some("k"), Bytes::from_static(b"{}")).await.unwrap();
        assert_eq!(answer.status, 201);
        let requests = stub.requests();
        assert_eq!(requests.len(), 2);
        assert!(requests.iter().all(|request| request.head.contains("idempotency-key: k") && request.body == "{}"));
    }

    #[tokio::test]
    async fn says_why_it_was_refused() {
        let stub = Stub::start(|_, _| Some((401, r#"{"title":"Unauthorized","detail":"expired"}"#.to_owned()))).await;
        let error = stub.api().post_events(Bytes::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "refused with 401 Unauthorized: Unauthorized: expired");
        assert_eq!(stub.requests().len(), 1);
    }

    #[tokio::test]
    async fn gives_up_in_the_end() {
        let stub = Stub::start(|_, _| Some((500, String::new()))).await;
        let error = stub.api().track("a").await.unwrap_err();
        assert!(matches!(error, ApiError::Unreachable { tries: 5, .. }), "{error}");
        assert_eq!(stub.requests().len(), 5);
    }

    #[tokio::test]
    async fn a_track_may_be_missing() {
        let stub = Stub::start(|_, _| Some((404, String::new()))).await;
        assert_eq!(stub.api().track("a").await.unwrap(), None);
        assert_eq!(stub.requests()[0].line, "GET /api/tracks/a HTTP/1.1");
    }

    #[test]
    fn takes_http_urls_only() {
        for url in ["127.0.0.1:8255", "ftp://127.0.0.1", ""] {
            assert!(matches!(Api::new(url, None, impatient()), Err(ApiError::Setup(_))), "{url}");
        }
    }
}
