//! An access log: every request as a play.

use std::time::Instant;

use anyhow::Context as _;
use replay::access_log;
use replay::api::{Api, ApiError};
use replay::converge::Reached;
use replay::expected::{self, Expected};
use replay::load::{self, Loaded};
use replay::play::{self, Reading};
use replay::verify::{self, Difference, Subject};

use crate::options::{Options, Task};
use crate::show::{Progress, gave_up, list, table};
use crate::with_api;

/// Loads the log and checks what the API then answers; whether all went as it should.
pub(crate) fn run(options: &Options, text: &str) -> anyhow::Result<bool> {
    let name = options.file.display();
    let (requests, unreadable) = access_log::read(text);
    let site = options.site.clone().unwrap_or_else(|| play::likely_site(&requests));
    let expected = expected::count(text, &site);
    let subjects = verify::subjects(&expected, &options.track_prefix)?;
    if options.task == Task::Print {
        print_expected(&subjects);
        return Ok(true);
    }

    let reading = Reading { track_prefix: options.track_prefix.clone(), site };
    println!(
        "{name}: {} plays of {} tracks, served by {:?}; {} lines are no request",
        requests.len(),
        subjects.len(),
        reading.site,
        unreadable.len()
    );
    list(unreadable.iter().map(ToString::to_string));
    anyhow::ensure!(counted_alike(&expected, requests.len(), unreadable.len()), "the two readings of {name} differ");

    with_api(options, async |api| {
        let mut fine = true;
        if options.task != Task::Verify {
            let plays: Vec<_> = requests.iter().map(|request| reading.play(request)).collect();
            fine = load(api, &plays, options).await.with_context(|| format!("cannot load {name}"))?;
        }
        if options.task != Task::Load {
            fine &= check(api, &subjects, options).await.context("cannot check the numbers")?;
        }
        Ok(fine)
    })
}

fn counted_alike(expected: &Expected, plays: usize, unreadable: usize) -> bool {
    expected.plays() == plays as u64 && expected.unreadable == unreadable
}

/// Sends the plays; whether the API took them all.
async fn load(api: &Api, plays: &[play::Play], options: &Options) -> Result<bool, ApiError> {
    let start = Instant::now();
    let progress = Progress::of("events sent", plays.len() as u64);
    let loaded = load::replay(api, plays, options.pace, |count| progress.add(count)).await;
    progress.end();
    let Loaded { accepted, dropped, refused, sent_again } = loaded?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "sent: {accepted} accepted, {dropped} dropped, {} refused, {sent_again} sent once more; {seconds:.1} s, {:.0} events/s",
        refused.len(),
        plays.len() as f64 / seconds
    );
    list(refused.iter().map(|event| {
        let field = event.field.as_ref().map(|field| format!(" ({field})")).unwrap_or_default();
        format!("line {}, event {}: {}{field}", event.line, event.id, event.reason)
    }));
    Ok(refused.is_empty() && dropped == 0)
}

/// Waits while counters grow. Returns whether all of them reach the values of the file.
async fn check(api: &Api, subjects: &[Subject], options: &Options) -> Result<bool, ApiError> {
    let start = Instant::now();
    let plays = subjects.iter().map(|subject| subject.expected.plays).sum();
    let progress = Progress::of("plays counted", plays);
    let tell = |reached: Reached| {
        progress.reach(reached.counted, &format!("{} of {} tracks right", reached.right, subjects.len()));
    };
    let different = verify::verify(api, subjects, options.pace.connections, options.patience, tell).await;
    progress.end();
    let different = different?;
    println!(
        "checked: {} of {} tracks answer what the file says; {:.1} s",
        subjects.len() - different.len(),
        subjects.len(),
        start.elapsed().as_secs_f64()
    );
    print_differences(&different);
    gave_up(!different.is_empty(), options.patience);
    Ok(different.is_empty())
}

fn print_differences(different: &[Difference]) {
    let rows: Vec<String> = different
        .iter()
        .flat_map(|difference| {
            let Subject { path, track_id, .. } = &difference.subject;
            difference.counters().into_iter().map(move |(counter, expected, found)| {
                let found = found.map_or_else(|| "–".to_owned(), |number| number.to_string());
                format!("| {path} | {track_id} | {counter} | {expected} | {found} |")
            })
        })
        .collect();
    table("| path | track | counter | expected | found |\n|---|---|---|---:|---:|", &rows);
}

/// Prints what is expected, one track a line, columns separated by tabs.
fn print_expected(subjects: &[Subject]) {
    println!("trackId\tpath\ttotalPlays\tqualifiedPlays\ttotalSkips\ttotalDurationSeconds\tsourceBreakdown");
    for Subject { path, track_id, expected } in subjects {
        let sources: Vec<String> =
            expected.by_source.iter().map(|(source, plays)| format!("{source}={plays}")).collect();
        println!(
            "{track_id}\t{path}\t{}\t{}\t{}\t{}.{:03}\t{}",
            expected.plays,
            expected.qualified,
            expected.skipped,
            expected.milliseconds / 1000,
            expected.milliseconds % 1000,
            sources.join(",")
        );
    }
}
