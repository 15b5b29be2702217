//! An artist with more tracks than one item can name.

use chrono::{DateTime, TimeDelta, Utc};
use domain::analytics::top_tracks;
use domain::rollup::Scope;
use domain::time::Time;
use domain::time_span::TimeSpan;
use tokio::time::Instant;

use super::check::{read_one, scope};
use super::model::{Model, Sent, Whose, track_id};
use super::scenarios::{at, play};
use super::world::World;
use crate::support::stage::paused;

/// At 64 bytes an id these are 0.7 MB in one list; an item may have 400 KB.
const TRACKS: usize = 10_000;

/// Tracks whose ids are of the greatest length.
fn tracks() -> std::ops::Range<usize> {
    1_000..1_000 + TRACKS
}

#[test]
fn artist_with_ten_thousand_active_tracks_is_exact() {
    paused(async {
        let (world, mut model) = (World::new("UTC", at("2026-11-20T10:30:00Z")), Model::default());
        world.describe(&mut model, 0, 1).await;
        world.send(&mut model, vec![play(0, "2026-11-20T10:21:00Z", "other")]).await;
        for track in tracks() {
            let of_artist = serde_json::json!({
                "pk": {"S": format!("TRACK#{}", track_id(track))}, "sk": {"S": "DOC"}, "version": {"S": "v"},
                "title": {"S": "Song"}, "artist": {"S": "a0"},
            });
            world.stage.call("PutItem", &serde_json::json!({"TableName": "State", "Item": of_artist}));
            let mut mirror = of_artist.clone();
            mirror["pk"]["S"] = "USER#a0".into();
            mirror["sk"]["S"] = format!("TRACK#{}", track_id(track)).into();
            world.stage.call("PutItem", &serde_json::json!({"TableName": "State", "Item": mirror}));
        }
        let sent: Vec<Sent> = tracks().map(|track| play(track, "2026-11-20T10:20:00Z", &track.to_string())).collect();
        for batch in sent.chunks(1_000) {
            world.send(&mut model, batch.to_vec()).await;
        }
        for records in world.records().chunks(1_000) {
            assert!(world.deliver(records, None, None).await);
        }
        world.advance(at("2026-11-21T01:10:00Z") - world.now());
        world.settle().await;
        let spans = ["2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"];
        let [from, to, day, next] = spans.map(|time| Time::from(at(time)));
        for span in [TimeSpan { from, to }, TimeSpan { from: day, to: next }] {
            let all = u64::try_from(TRACKS).unwrap();
            let of_artist = read_one(&world, &scope(Whose::Artist(0)), span).await;
            assert_eq!(of_artist.counters.plays, all, "{span:?}");
            assert_eq!(top_tracks(&of_artist, 5), None, "it says that it does not know");
            let of_other = read_one(&world, &scope(Whose::Artist(1)), span).await;
            assert_eq!(of_other.counters.plays, 1);
            assert_eq!(top_tracks(&of_other, 5).map(|top| top.len()), Some(1));
            assert_eq!(read_one(&world, &Scope::Platform, span).await.counters.plays, all + 1);
            let one = Scope::Track(track_id(TRACKS).parse().unwrap());
            assert_eq!(read_one(&world, &one, span).await.counters.plays, 1);
        }
        // What comes late is closed again, too.
        let late = play(TRACKS, "2026-11-20T10:22:00Z", "late");
        let delivered = world.records().len();
        world.send(&mut model, vec![late]).await;
        assert!(world.deliver(&world.records()[delivered..], None, None).await);
        world.settle().await;
        let all = u64::try_from(TRACKS).unwrap() + 1;
        let whole = TimeSpan { from: day, to: next };
        assert_eq!(read_one(&world, &scope(Whose::Artist(0)), whole).await.counters.plays, all);
        // Items are limited to 400 KB; these contain a marker of too many entries.
        let stats = world.stats().await;
        for sk in ["H#2026-11-20T10:00", "D#2026-11-20"] {
            let value = stats[&("ARTIST#a0".to_owned(), sk.to_owned())]["value"].as_m().unwrap();
            assert_eq!(value["tracks"].as_s().unwrap(), "*", "{sk}");
        }
        let until = Instant::now() + std::time::Duration::from_secs(30);
        let read = world.reading().read(&Scope::Platform, &[whole], until).await.unwrap();
        assert!(DateTime::<Utc>::from(read.as_of) > world.now() - TimeDelta::hours(2), "{:?}", read.as_of);
    });
}
