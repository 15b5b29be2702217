//! A server of channels, Sockudo, where it is installed: on a free port, with an application that nobody else knows.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// Runs the program until its own input ends: so it ends with whoever started it, however that one ends.
const LEASH: &str = include_str!("leash.sh");

/// How many ports are tried: another program may take one before the server does.
const PORTS: usize = 5;

/// How long a start may take on a busy machine.
const TO_START: Duration = Duration::from_secs(60);

/// How long one look at it may take, and how long the next one waits.
const LOOK: Duration = Duration::from_secs(2);
const REST: Duration = Duration::from_millis(20);

/// Where `tests/live/install` keeps what it installs.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "programs are where the environment says")]
pub fn tools() -> Option<PathBuf> {
    let var = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = || Some(var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")))?.join("tally"));
    var("TALLY_TOOLS").or_else(cache)
}

/// The server's program among those tools.
#[must_use]
pub fn program(tools: &Path) -> PathBuf {
    tools.join("sockudo/bin/sockudo")
}

/// A server of channels with one application, which no other server has. It ends when this value is dropped, or the process.
pub struct Server {
    /// Its input is the leash.
    _process: Child,
    port: u16,
    app: String,
    key: String,
    secret: String,
}

impl Server {
    /// Starts this program on a free port.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(program: &Path) -> anyhow::Result<Self> {
        for _ in 0..PORTS {
            let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            if let Some(server) = Self::start_on(program, port).await? {
                return Ok(server);
            }
        }
        bail!("{} starts on none of {PORTS} ports", program.display())
    }

    /// Starts it on this port; nothing if it does not listen there.
    ///
    /// # Errors
    /// There is no such program.
    pub async fn start_on(program: &Path, port: u16) -> anyhow::Result<Option<Self>> {
        let ids = shared::ids::random();
        let (app, key, secret) = (ids.fresh(), ids.fresh(), ids.fresh());
        let mut process = Command::new("/bin/sh")
            .args(["-c", LEASH, "leash"])
            .arg(program)
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
            .with_context(|| format!("{} does not start", program.display()))?;
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let until = Instant::now() + TO_START;
        while Instant::now() < until && process.try_wait()?.is_none() {
            // Whoever else listens there does not know the application.
            let look = Request::get(format!("http://127.0.0.1:{port}/up/{app}")).body(Empty::new())?;
            let looked = timeout(LOOK, client.request(look)).await;
            if looked.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status() == StatusCode::OK)) {
                return Ok(Some(Self { _process: process, port, app, key, secret }));
            }
            tokio::time::sleep(REST).await;
        }
        Ok(None)
    }

    /// Where pages find it.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The application's public key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The parameters of the template that say where it is.
    #[must_use]
    pub fn parameters(&self) -> [(String, String); 4] {
        let host = format!("http://127.0.0.1:{}", self.port);
        [("PusherAppId", &self.app), ("PusherKey", &self.key), ("PusherSecret", &self.secret), ("PusherHost", &host)]
            .map(|(name, value)| (name.to_owned(), value.clone()))
    }
}
