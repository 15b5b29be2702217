//! The server of channels.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, StatusCode};
use replay::api::{Api, Patience};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::{Tools, script};

/// How many ports are tried: another program may take one before the server does.
const PORTS: usize = 5;

/// How long a start may take on a busy machine.
const TO_START: Duration = Duration::from_secs(60);

/// How long one look at it may take, and how long the next one waits.
const LOOK: Duration = Duration::from_secs(2);
const REST: Duration = Duration::from_millis(20);

/// A server of channels with one application, which no other server has. It ends when this value is dropped.
pub struct Server {
    /// Its input is the leash: the server ends when it closes.
    _process: Child,
    pub(super) tools: Tools,
    pub(super) port: u16,
    app: String,
    pub(super) key: String,
    secret: String,
}

impl Server {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(tools: &Tools) -> anyhow::Result<Self> {
        for _ in 0..PORTS {
            let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            if let Some(server) = Self::start_on(tools, port).await? {
                return Ok(server);
            }
        }
        bail!("the server of channels starts on none of {PORTS} ports")
    }

    /// Starts it on this port; nothing if it does not listen there.
    ///
    /// # Errors
    /// There is no such program.
    pub async fn start_on(tools: &Tools, port: u16) -> anyhow::Result<Option<Self>> {
        let ids = shared::ids::random();
        let (app, key, secret) = (ids.fresh(), ids.fresh(), ids.fresh());
        let mut process = Command::new(script("leash"))
            .arg(tools.sockudo())
            .env_clear()
            .env("HOST", "127.0.0.1")
            .env("PORT", port.to_string())
            .env("METRICS_ENABLED", "false")
            .env("RATE_LIMITER_ENABLED", "false")
            .env("SHUTDOWN_GRACE_PERIOD", "1")
            .env("SOCKUDO_DEFAULT_APP_ID", &app)
            .env("SOCKUDO_DEFAULT_APP_KEY", &key)
            .env("SOCKUDO_DEFAULT_APP_SECRET", &secret)
            .env("SOCKUDO_DEFAULT_APP_MAX_CHANNEL_NAME_LENGTH", "164")
            .env("SOCKUDO_DEFAULT_APP_MAX_EVENT_PAYLOAD_IN_KB", "10")
            .env("SOCKUDO_DEFAULT_APP_MAX_EVENT_BATCH_SIZE", "10")
            .env("SOCKUDO_DEFAULT_APP_MAX_BACKEND_EVENTS_PER_SECOND", "100000")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("the server of channels does not start")?;
        let api = Api::new(&format!("http://127.0.0.1:{port}"), None, Patience::default())?;
        let until = Instant::now() + TO_START;
        // Whoever else listens there does not know the application.
        let path = format!("/up/{app}");
        while Instant::now() < until && process.try_wait()?.is_none() {
            let looked = tokio::time::timeout(LOOK, api.send(Method::GET, &path, Bytes::new())).await;
            if looked.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status == StatusCode::OK)) {
                return Ok(Some(Self { _process: process, tools: tools.clone(), port, app, key, secret }));
            }
            tokio::time::sleep(REST).await;
        }
        Ok(None)
    }

    /// The parameters of the template that say where it is.
    #[must_use]
    pub fn parameters(&self) -> [(String, String); 4] {
        let host = format!("http://127.0.0.1:{}", self.port);
        [("PusherAppId", &self.app), ("PusherKey", &self.key), ("PusherSecret", &self.secret), ("PusherHost", &host)]
            .map(|(name, value)| (name.to_owned(), value.clone()))
    }
}
