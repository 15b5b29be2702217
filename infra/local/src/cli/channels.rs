//! A server of channels beside the local cloud: Sockudo, where it is installed.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context as _;
use tokio::process::{Child, Command};

/// The parameters of the template that say where a server of channels is, by the variables that are read for them.
const PARAMETERS: [(&str, &str); 5] = [
    ("PUSHER_APP_ID", "PusherAppId"),
    ("PUSHER_KEY", "PusherKey"),
    ("PUSHER_SECRET", "PusherSecret"),
    ("PUSHER_CLUSTER", "PusherCluster"),
    ("PUSHER_HOST", "PusherHost"),
];

/// A server of channels that ends with the local cloud.
pub(super) struct Channels {
    _child: Child,
    port: u16,
    key: String,
}

/// Sockudo, where `tests/live/install` puts it, or where programs are.
#[allow(clippy::disallowed_methods, reason = "the command line looks around")]
fn installed() -> Option<PathBuf> {
    let var = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = || Some(var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")))?.join("tally"));
    let kept = var("TALLY_TOOLS").or_else(cache).map(|tools| tools.join("sockudo/bin/sockudo"));
    let path = var("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("sockudo"));
    kept.into_iter().chain(on_path).find(|program| program.is_file())
}

/// Fills in where channels are, unless the command line says so: what the environment says, or a server that is started here.
#[allow(clippy::disallowed_methods, reason = "the command line looks around")]
pub(super) fn start(parameters: &mut BTreeMap<String, String>) -> anyhow::Result<Option<Channels>> {
    for (variable, parameter) in PARAMETERS {
        if let Ok(value) = std::env::var(variable) {
            parameters.entry(parameter.to_owned()).or_insert(value);
        }
    }
    if parameters.contains_key("PusherKey") {
        return Ok(None);
    }
    let Some(program) = installed() else {
        tracing::info!(
            "no server of channels: live updates are off, all else works; tests/live/install installs one, \
             PUSHER_APP_ID, PUSHER_KEY, PUSHER_SECRET and PUSHER_HOST or PUSHER_CLUSTER name another"
        );
        return Ok(None);
    };
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let ids = shared::ids::random();
    let (app, key, secret) = ("local".to_owned(), ids.fresh(), ids.fresh());
    let child = Command::new(&program)
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
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{} does not start", program.display()))?;
    let host = format!("http://127.0.0.1:{port}");
    for (parameter, value) in
        [("PusherAppId", app), ("PusherKey", key.clone()), ("PusherSecret", secret), ("PusherHost", host)]
    {
        parameters.insert(parameter.to_owned(), value);
    }
    Ok(Some(Channels { _child: child, port, key }))
}

impl Channels {
    /// What a page needs to listen.
    pub(super) fn described(&self) -> String {
        let Self { port, key, .. } = self;
        format!(
            "Channels, for pusher-js:\n\n  new Pusher(\"{key}\", {{cluster: \"\", wsHost: \"127.0.0.1\", wsPort: {port}, forceTLS: false}})\n\n"
        )
    }
}
