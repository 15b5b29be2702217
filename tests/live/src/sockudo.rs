//! Sockudo, a Pusher server: on a free port, with an application of random credentials.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use super::Place;

/// Runs the program until its standard input ends, so that it ends with its parent, even if that crashes.
const LEASH: &str = include_str!("../leash.sh");

/// Attempts with free ports: another program may take one before the server does.
const PORTS: usize = 5;

/// Maximum time of a start on a busy machine.
const TO_START: Duration = Duration::from_secs(60);

/// The timeout and the interval of checks.
const LOOK: Duration = Duration::from_secs(2);
const REST: Duration = Duration::from_millis(20);

/// A running server with one application, which no other server has. It ends when this value is dropped, or the process.
pub struct Sockudo {
    /// Its input is the leash.
    _process: Child,
    app: String,
    secret: String,
    place: Place,
}

impl Sockudo {
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
        let ids = system::ids::random();
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
        let until = Instant::now() + TO_START;
        while Instant::now() < until && process.try_wait()?.is_none() {
            // Another program on this port does not know the application.
            if matches!(timeout(LOOK, is_up(port, &app)).await, Ok(Ok(true))) {
                return Ok(Some(Self { _process: process, app, secret, place: Place { port, key } }));
            }
            tokio::time::sleep(REST).await;
        }
        Ok(None)
    }

    /// Where pages find it.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.place.port)
    }

    /// Its application's id.
    #[must_use]
    pub fn app(&self) -> &str {
        &self.app
    }

    /// Its application's secret.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

/// Whether the server at this port answers for this application.
async fn is_up(port: u16, app: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET /up/{app} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200 "))
}
