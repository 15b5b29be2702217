//! Real input: a log of requests goes in through the API, and what comes out is what the file says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use replay::api::{Api, Credential, Patience};
use replay::load::{Pace, replay};
use replay::play::{Reading, likely_site};
use replay::{access_log, expected, verify};

use crate::support::app::App;

/// The log, where it is there: it is not part of the project.
fn log() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/apache_access_10k.log");
    path.exists().then_some(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_match_access_log_and_replay_is_idempotent() {
    let Some(path) = log() else {
        println!("skipped: there is no access log beside the project");
        return;
    };
    let text = std::fs::read_to_string(path).unwrap();
    // All of it in CI, and a part on a laptop.
    #[allow(clippy::disallowed_methods, reason = "a test looks where it runs")]
    let lines = if std::env::var("CI").is_ok() { usize::MAX } else { 1000 };
    let text: String = text.split_inclusive('\n').take(lines).collect();
    let (requests, unreadable) = access_log::read(&text);
    assert!(unreadable.is_empty(), "{unreadable:?}");
    let site = likely_site(&requests);
    let reading = Reading { track_prefix: String::new(), site: site.clone() };
    let plays: Vec<_> = requests.iter().map(|request| reading.play(request)).collect();
    let subjects = verify::subjects(&expected::count(&text, &site), "").unwrap();

    let app = App::start().await;
    let credential = Credential::Token(app.cloud.tokens()["admin"].clone());
    let api = Api::new(app.cloud.api_url(), Some(&credential), Patience::default()).unwrap();
    let pace = Pace { connections: 4, batch: 50 };
    for run in ["first", "second"] {
        let loaded = replay(&api, &plays, pace, |_| {}).await.unwrap();
        assert_eq!((loaded.accepted, loaded.dropped, loaded.refused.len()), (plays.len() as u64, 0, 0), "{run} run");
        app.settled().await;
        let wrong = verify::verify(&api, &subjects, 4, Duration::ZERO, |_| {}).await.unwrap();
        assert!(wrong.is_empty(), "{run} run: {} of {} tracks, {:?}", wrong.len(), subjects.len(), wrong.first());
        assert_eq!(app.items("EventsTable"), plays.len() as u64, "{run} run: every line is one fact");
    }
    app.finish().await;
}
