//! What the command line, the environment and a running local cloud say.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use lexopt::prelude::*;
use replay::api::Credential;
use replay::load::Pace;
use replay::play;
use serde::Deserialize;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Loads an Apache access log (combined format) through the HTTP API, every request as a play,
and checks that each track then answers what the file says.

Usage: cargo run -p replay -- path/to/access.log [options]

  --api-url URL         the API; else TALLY_API_URL, else the running `cargo dev`
  --token TOKEN         an admin's token, for events of any age; else TALLY_TOKEN, else the
                        running `cargo dev`
  --ready FILE          where `cargo dev` says how to reach it [.local/ready.json]
  --connections N       requests at the same time [8]
  --batch N             events of one request, 1 to 1000 [50]
  --track-prefix TEXT   what track ids begin with [log]
  --site HOST           the site that the log is of [the one that most referrers name]
  --deadline SECONDS    how long numbers may take to become right [60]
  --no-verify           load only
  --verify-only         check only
  --dry-run             print what is expected of each track, and ask nobody
  --help                print this

A second run of the same file changes no number. The exit status is 0 if every event was
accepted and every number is right, 1 if not, 2 if the command line is wrong.
";

/// Where a running local cloud says how to reach it.
const READY: &str = ".local/ready.json";

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Load, then check.
    Both,
    /// Load only.
    Load,
    /// Check only.
    Verify,
    /// Print what is expected.
    Print,
}

/// All that the run needs to know.
pub(crate) struct Options {
    pub(crate) log: PathBuf,
    pub(crate) api_url: String,
    pub(crate) credential: Credential,
    pub(crate) pace: Pace,
    pub(crate) track_prefix: String,
    pub(crate) site: Option<String>,
    pub(crate) deadline: Duration,
    pub(crate) task: Task,
}

/// The options of this process; nothing if it asks for help.
#[allow(clippy::disallowed_methods, reason = "this tool's one home of the environment")]
pub(crate) fn of_process() -> anyhow::Result<Option<Options>> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    parse(lexopt::Parser::from_env(), variable("TALLY_API_URL"), variable("TALLY_TOKEN"))
}

fn parse(
    mut arguments: lexopt::Parser,
    mut api_url: Option<String>,
    mut token: Option<String>,
) -> anyhow::Result<Option<Options>> {
    let mut log = None;
    let mut ready = None;
    let mut pace = Pace::default();
    let mut track_prefix = "log".to_owned();
    let mut site = None;
    let mut deadline = Duration::from_secs(60);
    let mut task = Task::Both;
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("api-url") => api_url = Some(arguments.value()?.string()?),
            Long("token") => token = Some(arguments.value()?.string()?),
            Long("ready") => ready = Some(PathBuf::from(arguments.value()?)),
            Long("connections") => pace.connections = arguments.value()?.parse()?,
            Long("batch") => pace.batch = arguments.value()?.parse()?,
            Long("track-prefix") => track_prefix = arguments.value()?.string()?,
            Long("site") => {
                let host = arguments.value()?.string()?.to_lowercase();
                site = Some(host.strip_prefix("www.").unwrap_or(&host).to_owned());
            }
            Long("deadline") => deadline = Duration::from_secs(arguments.value()?.parse()?),
            Long("no-verify") => task = Task::Load,
            Long("verify-only") => task = Task::Verify,
            Long("dry-run") => task = Task::Print,
            Long("help") | Short('h') => return Ok(None),
            Value(path) if log.is_none() => log = Some(PathBuf::from(path)),
            other => return Err(other.unexpected().into()),
        }
    }
    let log = log.context("which access log?")?;
    ensure!((1..=1_000).contains(&pace.batch), "--batch must be 1 to 1000");
    ensure!((1..=256).contains(&pace.connections), "--connections must be 1 to 256");
    ensure!(
        play::is_track_prefix(&track_prefix),
        "--track-prefix must be at most 32 letters, digits, dots, hyphens and underscores"
    );
    let (api_url, token) = match (api_url, token) {
        _ if task == Task::Print => Default::default(),
        (Some(api_url), Some(token)) => (api_url, token),
        (Some(_), None) => bail!("--api-url needs a --token, or TALLY_TOKEN"),
        (None, token) => {
            let cloud = running(ready.as_deref())?;
            (cloud.api_url, token.unwrap_or(cloud.tokens.admin))
        }
    };
    let credential = Credential::Token(token);
    Ok(Some(Options { log, api_url, credential, pace, track_prefix, site, deadline, task }))
}

/// How to reach a running local cloud.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    api_url: String,
    tokens: Tokens,
}

#[derive(Deserialize)]
struct Tokens {
    admin: String,
}

/// Reads what `cargo dev` left in this folder or one above.
fn running(ready: Option<&Path>) -> anyhow::Result<Ready> {
    let here = std::env::current_dir()?;
    let default = || here.ancestors().map(|folder| folder.join(READY)).find(|path| path.exists());
    let path = ready.map(Path::to_owned).or_else(default).context(
        "which API? Start the local cloud with `cargo dev` in another terminal, or give --api-url and --token; \
         `cargo dev --json` prints both",
    )?;
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} does not say how to reach the API", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str, token: Option<&str>) -> anyhow::Result<Option<Options>> {
        parse(lexopt::Parser::from_args(line.split_whitespace()), None, token.map(str::to_owned))
    }

    #[test]
    fn flags_win_over_the_environment() {
        let line = "a.log --api-url http://127.0.0.1:1 --token flag --batch 7 --connections=2 --site www.Example.com";
        let options = options(line, Some("variable")).unwrap().unwrap();
        assert_eq!(options.log, Path::new("a.log"));
        assert!(options.credential == Credential::Token("flag".to_owned()));
        assert_eq!(options.pace, Pace { connections: 2, batch: 7 });
        assert_eq!(options.site.as_deref(), Some("example.com"));
        assert_eq!(options.task, Task::Both);
    }

    #[test]
    fn says_what_is_wrong() {
        let error = |line| options(line, None).err().unwrap().to_string();
        assert_eq!(error(""), "which access log?");
        assert_eq!(error("a b"), "unexpected argument \"b\"");
        assert_eq!(error("a --batch 0"), "--batch must be 1 to 1000");
        assert_eq!(error("a --track-prefix x:y"), options("a --track-prefix é", None).err().unwrap().to_string());
        assert_eq!(error("a --api-url http://127.0.0.1:1"), "--api-url needs a --token, or TALLY_TOKEN");
        assert!(options("--help", None).unwrap().is_none());
        assert!(options("a --dry-run", None).unwrap().is_some());
    }

    #[test]
    fn finds_the_running_local_cloud() {
        let folder = std::env::temp_dir().join(format!("tally-replay-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("ready.json");
        std::fs::write(&file, r#"{"apiUrl":"http://127.0.0.1:9","writeKey":"-","tokens":{"admin":"a","artist":"b"}}"#)
            .unwrap();
        let options = options(&format!("a.log --ready {}", file.display()), None).unwrap().unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(options.api_url, "http://127.0.0.1:9");
        assert!(options.credential == Credential::Token("a".to_owned()));
    }
}
