//! Brings an export of users and purchases in through the HTTP API; see `--help`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks by printing")]

mod options;
mod report;

use std::fs::File;
use std::io::BufReader;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::Method;
use indicatif::{ProgressBar, ProgressStyle};
use migrate::done::{self, Done};
use migrate::export::{self, Export};
use migrate::plan::{Plan, Purchase};
use migrate::{known, send};
use replay::api::{Api, Patience};
use replay::target::Target;

use options::Options;

/// The status of a wrong command line.
const WRONG_COMMAND: u8 = 2;

fn main() -> ExitCode {
    let options = match options::of_process() {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("migrate: {error:#}\nSee --help.");
            return ExitCode::from(WRONG_COMMAND);
        }
    };
    run(&options).unwrap_or_else(|error| {
        eprintln!("migrate: {error:#}");
        ExitCode::FAILURE
    })
}

/// Does what the options say.
fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let name = options.export.display();
    let read =
        File::open(&options.export).and_then(|file| export::read(BufReader::new(file), options.assumed.currency));
    let export = read.with_context(|| format!("cannot read {name}"))?;
    let plan = Plan::of(&export);
    print!("{}", report::of_export(&options.export, &export, &plan));

    let lacks_time = plan.undated() > 0 && options.assumed.undated.is_none();
    let Some(target) = &options.target else {
        let keys = Done::keys(&options.done).with_context(|| options.done.display().to_string())?;
        let done = plan.purchases.iter().filter(|purchase| done::is_done(&keys, purchase, &options.assumed)).count();
        print!("{}", report::of_plan(&export, &plan, done));
        if lacks_time {
            println!("\n{}", undated(&plan));
        }
        report::write_all(&options.problems, &report::all(&export, &plan, None))?;
        return Ok(status(!lacks_time && export.problems.is_empty()));
    };
    if lacks_time {
        report::write_all(&options.problems, &report::all(&export, &plan, None))?;
        eprintln!("migrate: {} Nothing was sent.", undated(&plan));
        return Ok(ExitCode::from(WRONG_COMMAND));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(bring_in(options, target, &export, &plan))
}

/// Sends what is not done yet.
async fn bring_in(options: &Options, target: &Target, export: &Export, plan: &Plan) -> anyhow::Result<ExitCode> {
    let api = Api::new(&target.api_url, Some(&target.credential), Patience::default())?;
    // Nobody there is worth saying at once, while what fails later is borne with.
    let anything = api.send(Method::GET, "/api/purchases/owned", Bytes::new()).await;
    anything.with_context(|| target.api_url.clone())?;

    let file = options.done.display();
    let mut done = Done::open(&options.done, &target.api_url).with_context(|| file.to_string())?;
    let (before, left): (Vec<&Purchase>, Vec<&Purchase>) =
        plan.purchases.iter().partition(|purchase| done.contains(purchase, &options.assumed));
    if !before.is_empty() && !known::any_stands(&api, &before).await? {
        bail!("the API knows nothing of what {file} says is done there; delete that file, and all is sent again");
    }

    let bar = bar(left.len());
    let sent = send::send(&api, &left, &options.assumed, options.connections, &mut done, || bar.inc(1)).await;
    bar.finish_and_clear();
    print!("{}", report::of_sent(export, plan, before.len(), &sent));
    report::write_all(&options.problems, &report::all(export, plan, Some(&sent)))?;
    let all_sent = sent.refused.is_empty() && sent.unanswered.is_empty() && sent.stopped.is_none();
    Ok(status(all_sent && export.problems.is_empty()))
}

fn undated(plan: &Plan) -> String {
    let count = plan.undated();
    format!("Nobody knows when {count} of the purchases were made: --undated must say what to take for it.")
}

fn status(is_fine: bool) -> ExitCode {
    if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A progress bar on the terminal; nothing where standard error is none.
fn bar(length: usize) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    bar.enable_steady_tick(Duration::from_millis(200));
    match ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} purchases, {per_sec}, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
