//! The answers of the API, compared with the independent count.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::check::Checked;
use super::model::{Model, Numbers, What, Whose};
use super::world::{World, admin};
use crate::support::stage::{http, invoke, start};

/// Facts older than this may have expired, so the latest toggle is unknown.
const SURELY_KEPT: TimeDelta = TimeDelta::days(80);

/// Reads analytics and a dashboard of any range, and compares every figure.
pub(crate) async fn are_right(
    world: &World,
    model: &Model,
    checked: Checked,
    random: &mut fastrand::Rng,
) -> Result<(), String> {
    let ranges = ["24h", "7d", "30d", "90d", "1y", "all"];
    let range = ranges[random.usize(0..ranges.len())];
    let whose = match random.u8(0..3) {
        0 => Whose::Track(random.usize(0..checked.tracks)),
        1 if checked.artists => Whose::Artist(random.usize(0..2)),
        _ => Whose::Platform,
    };
    let mut query = vec![("timeRange", range.to_owned()), ("compare", "previous".to_owned())];
    match whose {
        Whose::Track(track) => query.push(("trackId", format!("t{track}"))),
        Whose::Artist(artist) => query.push(("artistId", format!("a{artist}"))),
        Whose::Platform => {}
    }
    if range != "all" && random.bool() {
        query.push(("interval", ["day", "week", "month"][random.usize(0..3)].to_owned()));
    }
    let told = ask(world, "GET /api/stats/analytics", get_analytics::FUNCTION, &query).await?;
    let what = format!("{whose:?} {query:?}");
    let expected = |span: &Value| checked.cut(whose, numbers(model, whose, span));
    compare(&what, &told["metrics"], &expected(&told["range"]), checked, whose)?;
    if let Some(previous) = told["previous"].as_object() {
        let (now, before) = (expected(&told["range"]), expected(&previous["range"]));
        compare(&format!("before {what}"), &previous["metrics"], &before, checked, whose)?;
        for (metric, name) in [("plays", "plays"), ("likes", "likes"), ("downloads", "downloads")] {
            let growth =
                ratio(of(&now, name) as f64 - of(&before, name) as f64, of(&before, name)).map(|part| part * 100.0);
            is(&format!("growth of {what}"), metric, &told["growth"][metric], growth)?;
        }
    }
    for point in told["series"]["points"].as_array().into_iter().flatten() {
        let span = json!({"from": point["from"], "to": point["to"]});
        compare(&format!("{what} {span}"), point, &expected(&span), checked, whose)?;
    }
    if checked.artists {
        dashboard(world, model, checked, random.usize(0..2), range).await?;
    }
    Ok(())
}

async fn dashboard(world: &World, model: &Model, checked: Checked, artist: usize, range: &str) -> Result<(), String> {
    let query = [("timeRange", range.to_owned()), ("artistId", format!("a{artist}"))];
    let told = ask(world, "GET /api/dashboard/stats", get_artist_dashboard::FUNCTION, &query).await?;
    let (whose, what) = (Whose::Artist(artist), format!("dashboard of a{artist}, {range}"));
    let now = numbers(model, whose, &told["range"]);
    let overview = &told["overview"];
    let shares: u64 = now.iter().filter(|(name, _)| name.starts_with("shares to")).map(|(_, count)| count).sum();
    let tracks = model.artists.values().filter(|of| **of == artist).count();
    for (field, expected) in [
        ("totalTracks", tracks as u64),
        ("totalPlays", of(&now, "plays")),
        ("totalLikes", of(&now, "likes")),
        ("totalShares", shares),
        ("totalDownloads", of(&now, "downloads")),
        ("totalSaves", of(&now, "saves")),
    ] {
        is(&what, field, &overview[field], Some(expected as f64))?;
    }
    if checked.their_uniques {
        is(&what, "uniqueListeners", &overview["uniqueListeners"], Some(of(&now, "listeners") as f64))?;
    }
    is(
        &what,
        "averageDurationSeconds",
        &overview["averageDurationSeconds"],
        ratio(of(&now, "duration") as f64 / 1000.0, of(&now, "timed")),
    )?;
    for (rate, name) in [("likeRate", "likes"), ("saveRate", "saves"), ("downloadRate", "downloads")] {
        let expected = ratio(of(&now, name) as f64, of(&now, "plays")).map(|part| part * 100.0);
        is(&what, rate, &told["engagement"][rate], expected)?;
    }
    if !told["previousRange"].is_null() {
        let before = numbers(model, whose, &told["previousRange"]);
        for name in ["plays", "likes"] {
            let growth =
                ratio(of(&now, name) as f64 - of(&before, name) as f64, of(&before, name)).map(|part| part * 100.0);
            is(&what, name, &told["growth"][name], growth)?;
        }
    }
    for point in told["series"]["points"].as_array().unwrap() {
        let cell = numbers(model, whose, point);
        for (field, name) in
            [("totalPlays", "plays"), ("totalLikes", "likes"), ("totalDownloads", "downloads"), ("totalSaves", "saves")]
        {
            is(&format!("{what} at {}", point["from"]), field, &point[field], Some(of(&cell, name) as f64))?;
        }
    }
    let mut top: Vec<(u64, String)> =
        now.iter().filter_map(|(name, count)| Some((*count, name.strip_prefix("plays of ")?.to_owned()))).collect();
    top.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
    for (place, (plays, track)) in top.iter().take(5).enumerate() {
        let told = &told["topTracks"][place];
        if told["trackId"] != *track || told["totalPlays"] != *plays {
            return Err(format!("{what}: place {place} is {told}, expected {plays} plays of {track}"));
        }
    }
    recent(&what, world, model, artist, &told)
}

/// The times of the last plays and likes, newest first.
fn recent(what: &str, world: &World, model: &Model, artist: usize, told: &Value) -> Result<(), String> {
    let now = world.now();
    // What a client's clock puts into the future shows when its time has come.
    let to: DateTime<Utc> = told["range"]["to"].as_str().unwrap().parse().unwrap();
    let told = &told["recentActivity"];
    let mut plays: BTreeMap<(DateTime<Utc>, usize, String), BTreeSet<&str>> = BTreeMap::new();
    let mut likes: Vec<DateTime<Utc>> = Vec::new();
    for fact in model.facts.values().filter(|fact| model.artists.get(&fact.sent.track) == Some(&artist)) {
        let sent = &fact.sent;
        if now - fact.accepted > SURELY_KEPT || now - sent.at > SURELY_KEPT {
            return Ok(());
        }
        if sent.at >= to {
            continue;
        }
        match &sent.what {
            What::Play { play_id, .. } => {
                let name = play_id.map_or_else(|| format!("event {}", sent.id), |id| format!("play {id}"));
                let users = plays.entry((sent.at, sent.track, format!("{} {name}", sent.session))).or_default();
                users.extend(sent.user.as_deref());
            }
            What::Like(true) => likes.push(sent.at),
            _ => {}
        }
    }
    likes.sort();
    // Plays of two users are two, in any session.
    let times = plays.into_iter().flat_map(|((at, ..), users)| std::iter::repeat_n(at, users.len().max(1)));
    let plays: Vec<DateTime<Utc>> = times.collect();
    for (kind, expected, most) in [("plays", plays, 10), ("likes", likes, 5)] {
        let expected: Vec<DateTime<Utc>> = expected.into_iter().rev().take(most).collect();
        let told: Vec<DateTime<Utc>> = told[kind]
            .as_array()
            .unwrap()
            .iter()
            .map(|happened| happened["timestamp"].as_str().unwrap().parse().unwrap())
            .collect();
        if told != expected {
            return Err(format!("{what}: last {kind} at {told:?}, expected {expected:?}"));
        }
    }
    Ok(())
}

async fn ask(
    world: &World,
    route: &str,
    function: runtime::function::Function,
    query: &[(&str, String)],
) -> Result<Value, String> {
    let mut request = http(route, &admin("boss"), &json!({}), None, &Value::Null);
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    request["rawQueryString"] = json!(query.join("&"));
    let answer = invoke(&*start(&world.reader(), function), &request).await?;
    if answer["statusCode"] != 200 {
        return Err(format!("{route} {query:?}: {answer}"));
    }
    Ok(serde_json::from_str(answer["body"].as_str().unwrap()).unwrap())
}

fn numbers(model: &Model, whose: Whose, span: &Value) -> Numbers {
    let time = |name: &str| span[name].as_str().unwrap().parse().unwrap();
    model.numbers(whose, time("from"), time("to"))
}

fn of(numbers: &Numbers, name: &str) -> u64 {
    numbers.get(name).copied().unwrap_or(0)
}

fn ratio(part: f64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part / whole as f64)
}

fn is(what: &str, field: &str, told: &Value, expected: Option<f64>) -> Result<(), String> {
    let close = |told: f64, expected: f64| (told - expected).abs() <= 1e-9 * expected.abs().max(1.0);
    match (told.as_f64(), expected) {
        (Some(told), Some(expected)) if close(told, expected) => Ok(()),
        (None, None) if told.is_null() => Ok(()),
        _ => Err(format!("{what}: {field} is {told}, expected {expected:?}")),
    }
}

/// Every figure of an answer.
fn compare(what: &str, told: &Value, numbers: &Numbers, checked: Checked, whose: Whose) -> Result<(), String> {
    let of = |name: &str| of(numbers, name);
    let percent = |name: &str| ratio(of(name) as f64, of("plays")).map(|part| part * 100.0);
    let plain = |count: u64| Some(count as f64);
    let plays = &told["plays"];
    is(what, "totalPlays", &plays["totalPlays"], plain(of("plays")))?;
    is(what, "qualifiedPlays", &plays["qualifiedPlays"], plain(of("plays") - of("skips")))?;
    is(
        what,
        "averageDurationSeconds",
        &plays["averageDurationSeconds"],
        ratio(of("duration") as f64 / 1000.0, of("timed")),
    )?;
    is(
        what,
        "averageCompletionRate",
        &plays["averageCompletionRate"],
        ratio(of("completion") as f64 / 100.0, of("measured")),
    )?;
    is(what, "skipRate", &plays["skipRate"], percent("skips"))?;
    is(what, "replayRate", &plays["replayRate"], percent("replays"))?;
    if checked.counts_uniques(whose) {
        is(what, "uniquePlays", &plays["uniquePlays"], plain(of("sessions")))?;
        is(what, "uniqueListeners", &plays["uniqueListeners"], plain(of("listeners")))?;
    }
    is(what, "totalLikes", &told["likes"]["totalLikes"], plain(of("likes")))?;
    is(what, "netLikes", &told["likes"]["netLikes"], Some(of("likes") as f64 - of("unlikes") as f64))?;
    is(what, "totalDownloads", &told["downloads"]["totalDownloads"], plain(of("downloads")))?;
    is(what, "totalSaves", &told["saves"]["totalSaves"], plain(of("saves")))?;
    is(what, "netSaves", &told["saves"]["netSaves"], Some(of("saves") as f64 - of("unsaves") as f64))?;
    for (told, prefix) in [
        (&plays["sourceBreakdown"], "plays from "),
        (&plays["countryBreakdown"], "plays in "),
        (&told["shares"]["platformBreakdown"], "shares to "),
    ] {
        let told = told.as_object().unwrap().iter();
        let told: Numbers =
            told.map(|(name, count)| (name.clone(), count.as_u64().unwrap())).filter(|(_, count)| *count > 0).collect();
        let expected: Numbers =
            numbers.iter().filter_map(|(name, count)| Some((name.strip_prefix(prefix)?.to_owned(), *count))).collect();
        if told != expected {
            return Err(format!("{what}: {prefix}{told:?}, expected {expected:?}"));
        }
    }
    Ok(())
}
