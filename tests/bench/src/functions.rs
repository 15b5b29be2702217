//! The functions as they are deployed: how large, how fast to start, how much memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use bench::cold;
use bench::table::{Table, kb, ms};
use local::template::{self, Surroundings, Template};
use serde::Deserialize;

/// The profile of what goes to AWS.
const PROFILE: &str = "deploy";

/// Builds every function of the template and the empty ones, and weighs them.
pub(crate) fn measure(starts: usize) -> anyhow::Result<Table> {
    let template = template()?;
    let crates: Vec<&str> = template.functions.values().map(|function| function.crate_name.as_str()).collect();
    let binaries = build(&crates)?;
    let binary = |name: &str| binaries.get(name).with_context(|| format!("{name} was not built"));

    let mut table =
        Table::new(["function", "zip kB", "start ms", "× empty", "× booted", "peak RSS kB", "× empty", "× booted"]);
    let nothing = surroundings(&BTreeMap::new(), 128);
    let mut compared = Vec::new();
    for name in empty::BINARIES {
        compared.push(cold::start(binary(name)?, &nothing, starts)?);
    }
    let mut row = |name: &str, start: cold::Start, size: u64| {
        let times = |value: f64, of: fn(&cold::Start) -> f64| {
            compared.iter().map(|empty| format!("{:.2}", value / of(empty))).collect::<Vec<_>>()
        };
        let seconds = |start: &cold::Start| start.ready.as_secs_f64();
        let bytes = |start: &cold::Start| start.peak as f64;
        let (ready, peak) = (times(seconds(&start), seconds), times(bytes(&start), bytes));
        let cell = |cells: &[String], at: usize| cells.get(at).cloned().unwrap_or_default();
        table.row([
            name.to_owned(),
            kb(size),
            ms(start.ready),
            cell(&ready, 0),
            cell(&ready, 1),
            kb(start.peak),
            cell(&peak, 0),
            cell(&peak, 1),
        ]);
    };
    for (name, start) in empty::BINARIES.iter().zip(&compared) {
        row(name, *start, cold::zip_size(binary(name)?)?);
    }
    for function in template.functions.values() {
        let binary = binary(&function.crate_name)?;
        let start = cold::start(binary, &surroundings(&function.environment, function.memory), starts)?;
        row(&function.crate_name, start, cold::zip_size(binary)?);
    }
    Ok(table)
}

/// The template, with what a deployment would give it.
fn template() -> anyhow::Result<Template> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let parameters = [("JwtSecret", "a secret for measuring, 32 bytes at least"), ("WriteKeys", "measuring")];
    let surroundings = Surroundings {
        stack: "bench".to_owned(),
        sqs_url: "http://127.0.0.1:9".to_owned(),
        parameters: parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    };
    Ok(template::read_template(&text, &surroundings)?)
}

/// The environment of a function on Lambda, including its own variables.
fn surroundings(own: &BTreeMap<String, String>, memory: u32) -> BTreeMap<String, String> {
    let platform = [
        ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory.to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "bench"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "bench"),
        ("AWS_SECRET_ACCESS_KEY", "bench"),
        ("AWS_SESSION_TOKEN", "bench"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ];
    let platform = platform.map(|(name, value)| (name.to_owned(), value.to_owned()));
    platform.into_iter().chain(own.clone()).collect()
}

/// Builds the crates and the empty functions, and returns the path of each binary.
fn build(crates: &[&str]) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    #[derive(Deserialize)]
    struct Message {
        executable: Option<PathBuf>,
        target: Option<Target>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }
    let packages = crates.iter().copied().chain(["empty"]).flat_map(|name| ["--package", name]);
    let output = Command::new(option_env!("CARGO").unwrap_or("cargo"))
        .args(["build", "--profile", PROFILE, "--bins", "--message-format", "json-render-diagnostics"])
        .args(packages)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "the functions do not build");
    let messages = output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let mut binaries = BTreeMap::new();
    for message in messages {
        let message: Message = serde_json::from_slice(message).context("cargo printed a line that is not JSON")?;
        if let (Some(executable), Some(target)) = (message.executable, message.target) {
            binaries.insert(target.name, executable);
        }
    }
    Ok(binaries)
}
