//! What the command line and the environment say.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use lexopt::prelude::*;
use migrate::extended;
use migrate::plan::Assumed;
use replay::target::{Given, Target};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Brings an export of a MongoDB system's users and purchases in, each purchase once.

Usage: cargo run -p migrate -- path/to/export.jsonl [options]

Each line is a user (_id, purchasedCourses, purchasedTests, and within it maybe purchases) or a
purchase (_id, user, course or test, purchasedAt, amount, currency, paymentMethod, status), in
JSON or MongoDB's extended JSON. A purchase that is pending is brought in so; one that is neither
that nor completed is not, and neither is what a user's lists say of the same thing.

  --api-url URL         the API; else TALLY_API_URL, else the running `cargo dev`
  --token TOKEN         an admin's token; else TALLY_TOKEN, else the running `cargo dev`
  --ready FILE          where `cargo dev` says how to reach it [.local/ready.json]
  --undated TIME        when that was bought of which the export does not say it: an RFC 3339 date
                        or time; needed if there is any
  --currency CODE       what amounts are in that do not say it, by ISO 4217 [USD]
  --method NAME         how that was paid of which the export does not say it [unknown]
  --connections N       requests at the same time, 1 to 256 [8]
  --done FILE           where it is listed what is done [the export's name, and .done]
  --problems FILE       where every line is listed that is not brought in, and why
                        [the export's name, and .problems]
  --dry-run             say what would be sent and what is wrong, and ask nobody
  --help                print this

It may be stopped at any time: run again, it goes on where it was. The exit status is 0 if all is
in, 1 if not, 2 if the command line is wrong.
";

/// All that the run needs to know.
pub(crate) struct Options {
    pub(crate) export: PathBuf,
    /// The API; nothing if nobody is to be asked.
    pub(crate) target: Option<Target>,
    pub(crate) assumed: Assumed,
    pub(crate) connections: usize,
    pub(crate) done: PathBuf,
    /// Where all is listed that is not brought in.
    pub(crate) problems: PathBuf,
}

/// The options of this process; nothing if it asks for help.
pub(crate) fn of_process() -> anyhow::Result<Option<Options>> {
    parse(lexopt::Parser::from_env(), Given::by_environment())
}

fn parse(mut arguments: lexopt::Parser, mut given: Given) -> anyhow::Result<Option<Options>> {
    let mut export = None;
    let (mut done, mut problems) = (None, None);
    let mut connections = 8;
    let mut is_dry = false;
    let mut assumed = Assumed { currency: "USD".parse()?, undated: None, payment_method: "unknown".to_owned() };
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("api-url") => given.api_url = Some(arguments.value()?.string()?),
            Long("token") => given.token = Some(arguments.value()?.string()?),
            Long("ready") => given.ready = Some(PathBuf::from(arguments.value()?)),
            Long("undated") => {
                let text = arguments.value()?.string()?;
                assumed.undated = Some(moment(&text).context("--undated must be an RFC 3339 date or time")?);
            }
            Long("currency") => assumed.currency = arguments.value()?.string()?.parse().context("--currency")?,
            Long("method") => assumed.payment_method = arguments.value()?.string()?,
            Long("connections") => connections = arguments.value()?.parse()?,
            Long("done") => done = Some(PathBuf::from(arguments.value()?)),
            Long("problems") => problems = Some(PathBuf::from(arguments.value()?)),
            Long("dry-run") => is_dry = true,
            Long("help") | Short('h') => return Ok(None),
            Value(path) if export.is_none() => export = Some(PathBuf::from(path)),
            other => return Err(other.unexpected().into()),
        }
    }
    let export = export.context("which export?")?;
    ensure!((1..=256).contains(&connections), "--connections must be 1 to 256");
    ensure!(
        extended::is_id(&assumed.payment_method),
        "--method must be 1 to 64 letters, digits, underscores, dots, colons and hyphens"
    );
    let beside = |ending: &str| {
        let mut name = OsString::from(&export);
        name.push(ending);
        PathBuf::from(name)
    };
    let (done, problems) = (done.unwrap_or_else(|| beside(".done")), problems.unwrap_or_else(|| beside(".problems")));
    let target = if is_dry { None } else { Some(given.target()?) };
    Ok(Some(Options { export, target, assumed, connections, done, problems }))
}

/// A time, or the first moment of a day of UTC.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    let day = || Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN).and_utc().to_rfc3339());
    extended::instant(&day().unwrap_or_else(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn options(line: &str) -> anyhow::Result<Option<Options>> {
        parse(lexopt::Parser::from_args(line.split_whitespace()), Given::default())
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        let options = options("a/b.jsonl --dry-run").unwrap().unwrap();
        assert_eq!((&*options.export, &*options.done), (Path::new("a/b.jsonl"), Path::new("a/b.jsonl.done")));
        assert_eq!((options.assumed.currency.code(), &*options.assumed.payment_method), ("USD", "unknown"));
        assert_eq!((&*options.problems, options.connections), (Path::new("a/b.jsonl.problems"), 8));
        assert_eq!(options.assumed.undated, None);
        assert!(options.target.is_none());
    }

    #[test]
    fn what_is_said_counts() {
        let line =
            "--api-url http://127.0.0.1:1 --token t a --undated 2024-12-31 --currency=JPY --method card --done d";
        let options = options(line).unwrap().unwrap();
        assert_eq!((&*options.export, &*options.done), (Path::new("a"), Path::new("d")));
        assert_eq!((options.assumed.currency.code(), &*options.assumed.payment_method), ("JPY", "card"));
        assert_eq!(options.assumed.undated.unwrap().to_rfc3339(), "2024-12-31T00:00:00+00:00");
        assert_eq!(options.target.unwrap().api_url, "http://127.0.0.1:1");
    }

    #[test]
    fn says_what_is_wrong() {
        let error = |line| options(line).err().unwrap().to_string();
        assert_eq!(error(""), "which export?");
        assert_eq!(error("a b"), "unexpected argument \"b\"");
        assert_eq!(error("a --connections 0"), "--connections must be 1 to 256");
        assert_eq!(error("a --currency dollars"), "--currency");
        assert!(error("a --method é").starts_with("--method must be"));
        for time in ["yesterday", "2024-12", "2024-12-31T00:00", "+12024-12-31"] {
            let line = format!("a --dry-run --undated {time}");
            assert!(options(&line).is_err(), "{line}");
        }
        assert_eq!(error("a --api-url http://127.0.0.1:1"), "--api-url needs a --token, or TALLY_TOKEN");
        assert!(options("--help").unwrap().is_none());
        for time in ["2024-12-31T10:00:00Z", "2024-12-31T10:00:00.5+02:00"] {
            assert!(options(&format!("a --dry-run --undated {time}")).is_ok(), "{time}");
        }
    }
}
