//! Starting a function for `cargo lambda watch`, with the variables that the template gives it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Context as _;

/// The subcommand. Only `cargo run` calls it, so the help does not list it.
pub(super) const NAME: &str = "run-function";

/// The variables that a function inherits in addition to its own. As on Lambda, it inherits no others: no AWS profile, and
/// no variable of the shell that has the name of one of Tally's.
const KEPT: [&str; 9] = [
    "HOME",
    "LANG",
    "LD_LIBRARY_PATH",
    "PATH",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "SYSTEMROOT",
    "TMPDIR",
    "AWS_LAMBDA_RUNTIME_API",
];

/// The function to start, and the file with its variables.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) variables: PathBuf,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

impl Start {
    /// Reads the arguments after the subcommand's name.
    pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<Self> {
        let mut arguments = arguments.into_iter();
        let mut path = || arguments.next().map(PathBuf::from).context("run-function needs FILE PROGRAM [ARGUMENTS]");
        let (variables, program) = (path()?, path()?);
        Ok(Self { variables, program, arguments: arguments.collect() })
    }

    /// Becomes the function.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let own = self.variables()?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().envs(kept()).envs(own);
        run(&mut command).with_context(|| format!("{} does not start", self.program.display()))
    }

    fn variables(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let path = self.variables.display();
        let text = std::fs::read(&self.variables).with_context(|| format!("{path} cannot be read"))?;
        let mut all: BTreeMap<String, BTreeMap<String, String>> =
            serde_json::from_slice(&text).with_context(|| format!("{path} does not contain variables of functions"))?;
        let name = self.program.file_stem().unwrap_or_default().to_string_lossy();
        all.remove(name.as_ref()).with_context(|| format!("template.yaml deploys no function {name:?}"))
    }
}

#[allow(clippy::disallowed_methods, reason = "a function inherits from its surroundings")]
fn kept() -> impl Iterator<Item = (&'static str, OsString)> {
    KEPT.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// Where a process can become another one, it does, so that signals reach the function.
#[cfg(unix)]
fn run(command: &mut Command) -> anyhow::Result<ExitCode> {
    Err(std::os::unix::process::CommandExt::exec(command).into())
}

#[cfg(not(unix))]
fn run(command: &mut Command) -> anyhow::Result<ExitCode> {
    let status = command.status()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_function_gets_its_own_variables() {
        let folder = tempfile::tempdir().unwrap();
        let written = r#"{"get-track": {"QUEUE": "a"}, "put-track": {"QUEUE": "b"}}"#;
        std::fs::write(folder.path().join("variables.json"), written).unwrap();
        let variables = |program: &str| {
            let variables = folder.path().join("variables.json");
            Start { variables, program: program.into(), arguments: Vec::new() }.variables()
        };
        assert_eq!(variables("target/debug/put-track").unwrap()["QUEUE"], "b");
        assert_eq!(variables("get-track.exe").unwrap()["QUEUE"], "a");
        assert!(variables("bench").unwrap_err().to_string().contains("deploys no function \"bench\""));
    }

    #[test]
    fn a_function_is_started_with_its_arguments() {
        let start = Start::parse(["v.json", "get-track", "--x"].map(OsString::from)).unwrap();
        assert_eq!(start.program, Path::new("get-track"));
        assert_eq!(start.arguments, ["--x"]);
        assert!(Start::parse([OsString::from("v.json")]).is_err());
    }
}
