//! The command line's arguments.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use lexopt::prelude::*;

use super::run_function::{self, Start};
use super::table::{Listing, Which};
use super::token::Wanted;

/// The default port of the API; DynamoDB, SQS and channels use the ports above it. It spells "TALL" on a telephone, and no
/// common development server uses it.
pub(super) const PORT: u16 = 8255;

/// The default port of `cargo lambda watch`: the one that `cargo lambda invoke` uses.
pub(super) const WATCH_PORT: u16 = 9000;

pub(super) const HELP: &str = "\
Starts the local cloud: everything that template.yaml describes, on this machine.

Usage: cargo dev [options]
       cargo dev token --sub USER --role ROLE [--days N] [--state FOLDER]
       cargo dev tables [--state FOLDER]
       cargo dev table NAME [--key PK] [--with TEXT] [--limit N] [--state FOLDER]

  --port N                 the API's port (8255; 0 for any free one)
  --fresh                  delete the stored state first
  --in-memory              store no state
  --state FOLDER           the state folder (.local beside the template)
  --template FILE          the template (template.yaml in this folder or above)
  --parameter NAME=VALUE   a value of a template parameter; may be repeated
  --allow-host NAME        another host name of the API, such as a tunnel's; may be repeated
  --functions in-process   functions run in this process (the default)
  --functions cargo-lambda functions run in `cargo lambda watch`, which rebuilds them on changes
  --functions-port N       the port of `cargo lambda watch` (9000; 0 for any free one)
  --log text|json          the format of logs on standard error (text); RUST_LOG filters them
  --json                   print one line of JSON when the cloud is ready
  --help                   print this

cargo dev token prints a token for any user, signed with the secret of the running local cloud, or
of the stored state if none runs.

  --sub USER               the id of the user
  --role ROLE              admin, artist, seller, teacher or student
  --days N                 days until it expires (30)

cargo dev tables lists the tables, and cargo dev table prints the items of one as lines of JSON:
from the running local cloud, or from the stored state if none runs. NAME is the name in the
template, such as Stats or StatsTable.

  --key PK                 only the items of this partition
  --with TEXT              only the items whose key contains this
  --limit N                maximum number of items (100)
";

/// The command of the command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Help,
    Start(Box<Arguments>),
    Token(Wanted),
    Tables(Listing),
    RunFunction(Start),
}

/// The format of logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Log {
    Text,
    Json,
}

/// How to start the local cloud.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arguments {
    pub(super) port: u16,
    pub(super) fresh: bool,
    pub(super) in_memory: bool,
    pub(super) state: Option<PathBuf>,
    pub(super) template: Option<PathBuf>,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) allowed_hosts: Vec<String>,
    /// The port of `cargo lambda watch`, if functions run there.
    pub(super) cargo_lambda: Option<u16>,
    pub(super) log: Log,
    pub(super) json: bool,
}

impl Command {
    pub(super) fn parse(mut parser: lexopt::Parser) -> anyhow::Result<Self> {
        if let Some(name) = parser.try_raw_args().and_then(|arguments| arguments.peek().map(ToOwned::to_owned)) {
            let subcommand = name.to_str().unwrap_or_default();
            if [run_function::NAME, "token", "tables", "table"].contains(&subcommand) {
                parser.value()?;
                return match subcommand {
                    run_function::NAME => Ok(Self::RunFunction(Start::parse(parser.raw_args()?)?)),
                    "token" => token(parser),
                    "table" => table(parser),
                    _ => tables(parser),
                };
            }
        }
        Arguments::parse(parser)
    }
}

fn token(mut parser: lexopt::Parser) -> anyhow::Result<Command> {
    let (mut sub, mut role, mut state) = (None, None, None);
    let mut days = crate::tokens::GOOD_FOR.num_days().unsigned_abs();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("sub") => sub = Some(parser.value()?.string()?),
            Long("role") => role = Some(parser.value()?.string()?),
            Long("days") => days = parser.value()?.parse().context("--days")?,
            Long("state") => state = Some(parser.value()?.into()),
            unexpected => return Err(unexpected.unexpected().into()),
        }
    }
    let role = role.context("--role is missing")?;
    anyhow::ensure!(
        crate::tokens::ROLES.contains(&role.as_str()),
        "--role must be one of {}",
        crate::tokens::ROLES.join(", ")
    );
    let sub: String = sub.context("--sub is missing")?;
    sub.parse::<domain::id::UserId>().context("--sub")?;
    Ok(Command::Token(Wanted { sub, role, days, state }))
}

fn tables(mut parser: lexopt::Parser) -> anyhow::Result<Command> {
    let mut state = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("state") => state = Some(parser.value()?.into()),
            unexpected => return Err(unexpected.unexpected().into()),
        }
    }
    Ok(Command::Tables(Listing { which: Which::All, state }))
}

fn table(mut parser: lexopt::Parser) -> anyhow::Result<Command> {
    let (mut name, mut key, mut text, mut limit, mut state) = (None, None, None, 100, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Value(value) if name.is_none() => name = Some(value.string()?),
            Long("key") => key = Some(parser.value()?.string()?),
            Long("with") => text = Some(parser.value()?.string()?),
            Long("limit") => limit = parser.value()?.parse().context("--limit")?,
            Long("state") => state = Some(parser.value()?.into()),
            unexpected => return Err(unexpected.unexpected().into()),
        }
    }
    let name = name.context("name a table; cargo dev tables lists them")?;
    Ok(Command::Tables(Listing { which: Which::One { name, key, text, limit }, state }))
}

impl Arguments {
    fn parse(mut parser: lexopt::Parser) -> anyhow::Result<Command> {
        let mut arguments = Self {
            port: PORT,
            fresh: false,
            in_memory: false,
            state: None,
            template: None,
            parameters: BTreeMap::new(),
            allowed_hosts: Vec::new(),
            cargo_lambda: None,
            log: Log::Text,
            json: false,
        };
        let mut watch_port = None;
        while let Some(argument) = parser.next()? {
            match argument {
                Short('h') | Long("help") => return Ok(Command::Help),
                Long("port") => arguments.port = parser.value()?.parse().context("--port")?,
                Long("fresh") => arguments.fresh = true,
                Long("in-memory") => arguments.in_memory = true,
                Long("state") => arguments.state = Some(parser.value()?.into()),
                Long("template") => arguments.template = Some(parser.value()?.into()),
                Long("json") => arguments.json = true,
                Long("allow-host") => arguments.allowed_hosts.push(parser.value()?.string()?),
                Long("log") => match parser.value()?.string()?.as_str() {
                    "text" => arguments.log = Log::Text,
                    "json" => arguments.log = Log::Json,
                    other => anyhow::bail!("--log is text or json, not {other:?}"),
                },
                Long("functions-port") => watch_port = Some(parser.value()?.parse().context("--functions-port")?),
                Long("functions") => match parser.value()?.string()?.as_str() {
                    "in-process" => arguments.cargo_lambda = None,
                    "cargo-lambda" => arguments.cargo_lambda = Some(WATCH_PORT),
                    other => anyhow::bail!("--functions is in-process or cargo-lambda, not {other:?}"),
                },
                Long("parameter") => {
                    let given = parser.value()?.string()?;
                    let (name, value) = given.split_once('=').context("--parameter must be NAME=VALUE")?;
                    arguments.parameters.insert(name.to_owned(), value.to_owned());
                }
                unexpected => return Err(unexpected.unexpected().into()),
            }
        }
        if arguments.in_memory && arguments.state.is_some() {
            anyhow::bail!("--in-memory stores no state; leave out --state");
        }
        if let Some(port) = watch_port {
            let cargo_lambda = arguments.cargo_lambda.as_mut();
            *cargo_lambda.context("--functions-port requires --functions cargo-lambda")? = port;
        }
        Ok(Command::Start(Box::new(arguments)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(arguments: &[&str]) -> anyhow::Result<Command> {
        Command::parse(lexopt::Parser::from_args(arguments))
    }

    fn parsed(arguments: &[&str]) -> anyhow::Result<Arguments> {
        match command(arguments)? {
            Command::Start(arguments) => Ok(*arguments),
            other => anyhow::bail!("{other:?}"),
        }
    }

    #[test]
    fn parses_arguments() {
        let defaults = parsed(&[]).unwrap();
        assert_eq!((defaults.port, defaults.fresh, defaults.in_memory, defaults.json), (8255, false, false, false));
        assert_eq!((defaults.cargo_lambda, defaults.log), (None, Log::Text));
        let all = parsed(&[
            "--port=0",
            "--fresh",
            "--state",
            "s",
            "--template",
            "t",
            "--json",
            "--log",
            "json",
            "--allow-host",
            "a.example",
            "--parameter",
            "A=b=c",
            "--functions",
            "cargo-lambda",
            "--functions-port",
            "9001",
        ])
        .unwrap();
        assert_eq!((all.port, all.fresh, all.json, all.cargo_lambda), (0, true, true, Some(9001)));
        assert_eq!((all.log, all.allowed_hosts.as_slice()), (Log::Json, ["a.example".to_owned()].as_slice()));
        assert_eq!(all.parameters["A"], "b=c");
        assert_eq!((all.state, all.template), (Some("s".into()), Some("t".into())));
        assert_eq!(command(&["--help"]).unwrap(), Command::Help);
    }

    #[test]
    fn parses_subcommands() {
        let wanted = |days, state: Option<&str>| {
            let (sub, role) = ("ann".to_owned(), "student".to_owned());
            Command::Token(Wanted { sub, role, days, state: state.map(PathBuf::from) })
        };
        assert_eq!(command(&["token", "--sub", "ann", "--role", "student"]).unwrap(), wanted(30, None));
        let all = ["token", "--role=student", "--sub=ann", "--days", "1", "--state", "s"];
        assert_eq!(command(&all).unwrap(), wanted(1, Some("s")));
        assert_eq!(command(&["tables"]).unwrap(), Command::Tables(Listing { which: Which::All, state: None }));
        let which = Which::One {
            name: "Stats".to_owned(),
            key: Some("TRACK#song".to_owned()),
            text: Some("T".to_owned()),
            limit: 5,
        };
        let one = ["table", "Stats", "--key", "TRACK#song", "--with", "T", "--limit", "5"];
        assert_eq!(command(&one).unwrap(), Command::Tables(Listing { which, state: None }));
        let start = command(&["run-function", "v.json", "get-track", "--", "--x"]).unwrap();
        assert!(matches!(start, Command::RunFunction(Start { arguments, .. }) if arguments == ["--", "--x"]));
    }

    #[test]
    fn rejects_invalid_arguments() {
        for arguments in [
            &["--port", "x"][..],
            &["--port", "70000"],
            &["--nonsense"],
            &["stray"],
            &["--parameter", "A"],
            &["--functions", "docker"],
            &["--functions-port", "1"],
            &["--in-memory", "--state", "s"],
            &["--log", "xml"],
            &["token"],
            &["token", "--sub", "ann"],
            &["token", "--sub", "", "--role", "student"],
            &["token", "--sub", "ann", "--role", "god"],
            &["tables", "Stats"],
            &["table"],
            &["table", "Stats", "Events"],
            &["run-function", "v.json"],
        ] {
            assert!(command(arguments).is_err(), "{arguments:?}");
        }
    }
}
