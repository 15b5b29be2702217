//! A real access log is replayed through the API, and the counters match the file.

use std::time::Duration;

use replay::api::{Api, Credential, Patience};
use replay::load::{Pace, replay};
use replay::play::{Reading, likely_site};
use replay::{access_log as requests, expected, verify};

use crate::support::app::App;
use crate::support::data::{access_log, is_ci};

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_access_log), ignore = "needs ../shared/data/apache_access_10k.log; then touch tests/build.rs")]
async fn counters_match_access_log_and_replay_is_idempotent() {
    let text = access_log(if is_ci() { usize::MAX } else { 1_000 });
    let (requests, unreadable) = requests::read(&text);
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
