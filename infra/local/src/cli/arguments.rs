//! The command line's arguments.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use lexopt::prelude::*;

/// The port of `cargo lambda watch` where none is named.
const WATCH_PORT: u16 = 9000;

pub(super) const HELP: &str = "\
Starts the local cloud: everything that template.yaml describes, on this machine.

Usage: cargo dev [options]

  --port N                 the API's port (3000; 0 for any free one)
  --fresh                  forget the state kept before
  --in-memory              keep no state
  --state FOLDER           where state is kept (.local beside the template)
  --template FILE          the template (template.yaml here or above)
  --parameter NAME=VALUE   a value of one of the template's parameters; may be repeated
  --functions in-process   functions run in this process (the default)
  --functions cargo-lambda functions run in `cargo lambda watch`, which rebuilds them as they change
  --functions-port N       the port of `cargo lambda watch` (9000)
  --json                   print one line of JSON when all is ready
  --help                   print this
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Help,
    Start(Box<Arguments>),
}

/// How the local cloud is to start.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arguments {
    pub(super) port: u16,
    pub(super) fresh: bool,
    pub(super) in_memory: bool,
    pub(super) state: Option<PathBuf>,
    pub(super) template: Option<PathBuf>,
    pub(super) parameters: BTreeMap<String, String>,
    /// The port of `cargo lambda watch`, if functions run there.
    pub(super) cargo_lambda: Option<u16>,
    pub(super) json: bool,
}

impl Arguments {
    pub(super) fn parse(mut parser: lexopt::Parser) -> anyhow::Result<Command> {
        let mut arguments = Self {
            port: 3000,
            fresh: false,
            in_memory: false,
            state: None,
            template: None,
            parameters: BTreeMap::new(),
            cargo_lambda: None,
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
                Long("functions-port") => watch_port = Some(parser.value()?.parse().context("--functions-port")?),
                Long("functions") => match parser.value()?.string()?.as_str() {
                    "in-process" => arguments.cargo_lambda = None,
                    "cargo-lambda" => arguments.cargo_lambda = Some(WATCH_PORT),
                    other => anyhow::bail!("functions run in-process or in cargo-lambda, not in {other:?}"),
                },
                Long("parameter") => {
                    let given = parser.value()?.string()?;
                    let (name, value) = given.split_once('=').context("--parameter wants NAME=VALUE")?;
                    arguments.parameters.insert(name.to_owned(), value.to_owned());
                }
                unexpected => return Err(unexpected.unexpected().into()),
            }
        }
        if arguments.in_memory && arguments.state.is_some() {
            anyhow::bail!("--in-memory keeps no state, so there is no folder for it");
        }
        if let Some(port) = watch_port {
            let cargo_lambda = arguments.cargo_lambda.as_mut();
            *cargo_lambda.context("--functions-port is of no use without --functions cargo-lambda")? = port;
        }
        Ok(Command::Start(Box::new(arguments)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> anyhow::Result<Arguments> {
        match Arguments::parse(lexopt::Parser::from_args(arguments))? {
            Command::Start(arguments) => Ok(*arguments),
            Command::Help => anyhow::bail!("help"),
        }
    }

    #[test]
    fn arguments_are_understood() {
        let defaults = parsed(&[]).unwrap();
        assert_eq!((defaults.port, defaults.fresh, defaults.in_memory, defaults.json), (3000, false, false, false));
        assert_eq!(defaults.cargo_lambda, None);
        let all = parsed(&[
            "--port=0",
            "--fresh",
            "--state",
            "s",
            "--template",
            "t",
            "--json",
            "--parameter",
            "A=b=c",
            "--functions",
            "cargo-lambda",
            "--functions-port",
            "9001",
        ])
        .unwrap();
        assert_eq!((all.port, all.fresh, all.json, all.cargo_lambda), (0, true, true, Some(9001)));
        assert_eq!(all.parameters["A"], "b=c");
        assert_eq!((all.state, all.template), (Some("s".into()), Some("t".into())));
        assert_eq!(Arguments::parse(lexopt::Parser::from_args(["--help"])).unwrap(), Command::Help);
    }

    #[test]
    fn nonsense_is_refused() {
        for arguments in [
            &["--port", "x"][..],
            &["--port", "70000"],
            &["--nonsense"],
            &["stray"],
            &["--parameter", "A"],
            &["--functions", "docker"],
            &["--functions-port", "1"],
            &["--in-memory", "--state", "s"],
        ] {
            assert!(parsed(arguments).is_err(), "{arguments:?}");
        }
    }
}
