//! Options from the command line, the environment and a running local cloud.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use lexopt::prelude::*;
use replay::api::Credential;
use replay::load::Pace;
use replay::play;
use replay::target::{Given, Target};

/// The text of `--help`.
pub(crate) const HELP: &str = "\
Loads a file through the HTTP API and checks that it then answers what the file says: of an
Apache access log (combined format) every request as a play, of a shop's invoices (columns as in
the \"Online Retail\" file) every line as a purchase or a refund.

Usage: cargo run -p replay -- path/to/access.log [options]
       cargo run -p replay -- path/to/invoices.csv [options]

  --api-url URL         the API; else TALLY_API_URL, else the running `cargo dev`
  --token TOKEN         an admin's token, for events of any age; else TALLY_TOKEN, else the
                        running `cargo dev`
  --ready FILE          where `cargo dev` says how to reach it [.local/ready.json]
  --retail              the file is of invoices, whatever its name [if that ends in .csv]
  --connections N       requests at the same time [8]
  --batch N             of a log, events of one request, 1 to 1000 [50]
  --track-prefix TEXT   of a log, what track ids begin with [log]
  --site HOST           of a log, its site [the one that most referrers name]
  --patience SECONDS    how long to wait for numbers while nothing more is counted [120]
  --no-verify           load only
  --verify-only         check only
  --dry-run             print what is expected of each track, or day, and ask nobody
  --help                print this

A second run of the same file changes no number; of invoices, within 30 days and as the same
admin. Invoices are checked against an API that holds no other purchases of these months. The
exit status is 0 if all was accepted and every number is right, 1 if not, 2 if the command line
is wrong.
";

/// The task of this process.
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

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An access log.
    Log,
    /// A shop's invoices.
    Invoices,
}

/// All that the run needs to know.
pub(crate) struct Options {
    pub(crate) file: PathBuf,
    pub(crate) kind: Kind,
    pub(crate) api_url: String,
    pub(crate) credential: Credential,
    pub(crate) pace: Pace,
    pub(crate) track_prefix: String,
    pub(crate) site: Option<String>,
    /// How long to wait without progress.
    pub(crate) patience: Duration,
    pub(crate) task: Task,
}

/// The options of this process; `None` for `--help`.
pub(crate) fn of_process() -> anyhow::Result<Option<Options>> {
    parse(lexopt::Parser::from_env(), Given::by_environment())
}

fn parse(mut arguments: lexopt::Parser, mut given: Given) -> anyhow::Result<Option<Options>> {
    let mut file = None;
    let mut is_retail = false;
    let mut pace = Pace::default();
    let mut track_prefix = "log".to_owned();
    let mut site = None;
    let mut patience = Duration::from_secs(120);
    let mut task = Task::Both;
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("api-url") => given.api_url = Some(arguments.value()?.string()?),
            Long("token") => given.token = Some(arguments.value()?.string()?),
            Long("ready") => given.ready = Some(PathBuf::from(arguments.value()?)),
            Long("retail") => is_retail = true,
            Long("connections") => pace.connections = arguments.value()?.parse()?,
            Long("batch") => pace.batch = arguments.value()?.parse()?,
            Long("track-prefix") => track_prefix = arguments.value()?.string()?,
            Long("site") => {
                let host = arguments.value()?.string()?.to_lowercase();
                site = Some(host.strip_prefix("www.").unwrap_or(&host).to_owned());
            }
            Long("patience") => patience = Duration::from_secs(arguments.value()?.parse()?),
            Long("no-verify") => task = Task::Load,
            Long("verify-only") => task = Task::Verify,
            Long("dry-run") => task = Task::Print,
            Long("help") | Short('h') => return Ok(None),
            Value(path) if file.is_none() => file = Some(PathBuf::from(path)),
            other => return Err(other.unexpected().into()),
        }
    }
    let file = file.context("which file?")?;
    let is_csv = file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let kind = if is_retail || is_csv { Kind::Invoices } else { Kind::Log };
    ensure!((1..=1_000).contains(&pace.batch), "--batch must be 1 to 1000");
    ensure!((1..=256).contains(&pace.connections), "--connections must be 1 to 256");
    ensure!(
        play::is_track_prefix(&track_prefix),
        "--track-prefix must be at most 32 letters, digits, dots, hyphens and underscores"
    );
    let Target { api_url, credential } = match task {
        Task::Print => Target { api_url: String::new(), credential: Credential::Token(String::new()) },
        _ => given.target()?,
    };
    Ok(Some(Options { file, kind, api_url, credential, pace, track_prefix, site, patience, task }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn options(line: &str, token: Option<&str>) -> anyhow::Result<Option<Options>> {
        let given = Given { token: token.map(str::to_owned), ..Given::default() };
        parse(lexopt::Parser::from_args(line.split_whitespace()), given)
    }

    #[test]
    fn flags_win_over_the_environment() {
        let line = "a.log --api-url http://127.0.0.1:1 --token flag --batch 7 --connections=2 --site www.Example.com \
                    --patience 7";
        let options = options(line, Some("variable")).unwrap().unwrap();
        assert_eq!((options.file.as_path(), options.kind), (Path::new("a.log"), Kind::Log));
        assert!(options.credential == Credential::Token("flag".to_owned()));
        assert_eq!(options.pace, Pace { connections: 2, batch: 7 });
        assert_eq!(options.site.as_deref(), Some("example.com"));
        assert_eq!((options.task, options.patience), (Task::Both, Duration::from_secs(7)));
    }

    #[test]
    fn invoices_are_known_by_their_name_or_said_to_be_such() {
        let kind = |line| options(line, None).unwrap().unwrap().kind;
        assert_eq!(kind("a.log --dry-run"), Kind::Log);
        assert_eq!(kind("a.CSV --dry-run"), Kind::Invoices);
        assert_eq!(kind("a --retail --dry-run"), Kind::Invoices);
    }

    #[test]
    fn says_what_is_wrong() {
        let error = |line| options(line, None).err().unwrap().to_string();
        assert_eq!(error(""), "which file?");
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
