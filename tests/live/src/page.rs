//! A page that listens.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Index;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::{Place, Tools, script};

/// Maximum delay of an event on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a page says that it was told: `channel`, `event`, and `data` or what else there is to it. An `error` of its connection
/// has no channel.
#[derive(Debug, Clone)]
pub struct Told {
    /// When that was.
    pub at: Instant,
    line: Value,
}

impl Index<&str> for Told {
    type Output = Value;

    /// A field of it; null if there is none.
    fn index(&self, field: &str) -> &Value {
        self.line.get(field).unwrap_or(&Value::Null)
    }
}

/// An open page with the events that it received. It closes when this value is dropped.
pub struct Page {
    _process: Child,
    lines: mpsc::UnboundedReceiver<Told>,
    told: Vec<Told>,
    /// Channels and ids of events: what comes again is dropped.
    known: BTreeSet<(String, String)>,
}

impl Page {
    /// Opens a page that subscribes to these channels, authorized by the API at this URL with this token.
    ///
    /// # Errors
    /// There is no Node.
    pub fn open(tools: &Tools, place: &Place, api: &str, token: &str, channels: &[&str]) -> anyhow::Result<Self> {
        Self::open_with(tools, place, api, token, channels, &BTreeMap::new())
    }

    /// The same, of a page that shows for some channels what it was given for others.
    ///
    /// # Errors
    /// There is no Node.
    pub fn open_with(
        tools: &Tools,
        place: &Place,
        api: &str,
        token: &str,
        channels: &[&str],
        shows: &BTreeMap<&str, &str>,
    ) -> anyhow::Result<Self> {
        let config = json!({
            "host": "127.0.0.1", "port": place.port, "key": place.key, "token": format!("Bearer {token}"),
            "channels": channels, "auth": format!("{api}/api/pusher/auth"), "shows": shows,
        });
        let mut process = Command::new("node")
            .arg(script("listen.mjs"))
            .arg(config.to_string())
            .env("TALLY_NODE_MODULES", tools.modules())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("a page needs Node")?;
        let mut output = BufReader::new(process.stdout.take().context("a page has no output")?).lines();
        let (sender, lines) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                let at = Instant::now();
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(Told { at, line }).is_err() {
                    break;
                }
            }
        });
        Ok(Self { _process: process, lines, told: Vec::new(), known: BTreeSet::new() })
    }

    /// Waits for the next event of the page.
    ///
    /// # Errors
    /// Nothing comes, or the page is closed.
    pub async fn next(&mut self) -> anyhow::Result<&Told> {
        let until = tokio::time::Instant::now() + PATIENCE;
        let told = loop {
            let next = tokio::time::timeout_at(until, self.lines.recv()).await;
            let told = next.context("a page received nothing in time")?.context("a page has ended")?;
            let id = told["data"].get("id").and_then(Value::as_str);
            let known = id.map(|id| (told["channel"].to_string(), id.to_owned()));
            if known.is_none_or(|known| self.known.insert(known)) {
                break told;
            }
        };
        self.told.push(told);
        self.told.last().context("a page received nothing")
    }

    /// Waits until the page has received a matching event on a channel.
    ///
    /// # Errors
    /// It does not come; all that came is named.
    pub async fn told(&mut self, channel: &str, event: &str, is_it: impl Fn(&Told) -> bool) -> anyhow::Result<Told> {
        let fits = |told: &Told| told["channel"] == channel && told["event"] == event && is_it(told);
        if let Some(told) = self.told.iter().find(|told| fits(told)) {
            return Ok(told.clone());
        }
        loop {
            match self.next().await {
                Ok(told) if fits(told) => return Ok(told.clone()),
                Ok(_) => {}
                Err(error) => bail!("no {event} on {channel}: {error}; but {:#?}", self.told),
            }
        }
    }

    /// Waits until the page listens to these channels.
    ///
    /// # Errors
    /// It does not.
    pub async fn listens(&mut self, channels: &[&str]) -> anyhow::Result<()> {
        for channel in channels {
            self.told(channel, "subscribed", |_| true).await?;
        }
        Ok(())
    }

    /// The events that the page has received so far.
    #[must_use]
    pub fn so_far(&self) -> &[Told] {
        &self.told
    }
}
