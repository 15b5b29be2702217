//! Playlists and submissions over HTTP. Every answer is checked against the contract.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::playlist::{Playlist, Status};
use http::Method;
use serde_json::{Value, json};
use store::Playlists;

use crate::contract::{assert_response_matches, contract};
use crate::support::app::{Answer, App};
use crate::support::client::{Client, delegate_to_client, forged, headers};
use crate::support::faults::outage;
use crate::support::people::{ANN, EVE, Person, ROOT, SAM};

const PLAYLIST: &str = "/api/playlists/{playlistId}";
const SUBMISSIONS: &str = "/api/playlists/{playlistId}/submissions";
const SUBMISSION: &str = "/api/playlists/{playlistId}/submissions/{submissionId}";

const BOB: Person<'_> = Person("bob", "artist");

struct Api {
    client: Client,
}

delegate_to_client!(Api);

impl Api {
    async fn start() -> Self {
        Self { client: Client::start().await }
    }

    async fn call(
        &self,
        (method, route, ids): (Method, &str, &[&str]),
        person: Person<'_>,
        more: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let token = self.token(person);
        let path =
            ["{playlistId}", "{submissionId}"].iter().zip(ids).fold(route.to_owned(), |p, (n, id)| p.replace(n, id));
        let answer = self.app.send(method.clone(), &path, &headers(&token, more), body.to_string()).await;
        assert_response_matches(&contract(), &method, route, &answer);
        answer
    }

    async fn put(&self, person: Person<'_>, id: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.call((Method::PUT, PLAYLIST, &[id]), person, headers, body).await
    }

    async fn submit(&self, person: Person<'_>, playlist: &str, body: &Value) -> Answer {
        self.call((Method::POST, SUBMISSIONS, &[playlist]), person, &[], body).await
    }

    async fn judge(&self, person: Person<'_>, playlist: &str, submission: &str, body: &Value) -> Answer {
        self.call((Method::PATCH, SUBMISSION, &[playlist, submission]), person, &[], body).await
    }

    async fn describe(&self, id: &str, artist: &str) {
        let body = json!({"title": "Song", "durationSeconds": 60, "artistId": artist});
        let answer = self.app.put_track("admin", id, &[], &body).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }

    /// What the dashboard reads.
    fn playlists(&self) -> Playlists {
        self.app.open(Playlists::open)
    }

    /// The mirrors of a user: titles of playlists, and statuses of submissions.
    async fn mirrored(&self, person: Person<'_>) -> (Vec<String>, Vec<(String, Status)>) {
        let (user, playlists) = (person.0.parse().unwrap(), self.playlists());
        let owned = playlists.of_owner(&user).await.unwrap();
        let submitted = playlists.submissions_of(&user).await.unwrap();
        (
            owned.into_iter().map(|(_, playlist)| playlist.title).collect(),
            submitted.into_iter().map(|submission| (submission.track.to_string(), submission.status)).collect(),
        )
    }

    /// Asserts that every item has its mirror with the same content, and that there is no other mirror.
    async fn finish(self) {
        let (mut expected, mut mirrors) = (BTreeMap::new(), BTreeMap::new());
        for mut item in self.app.scan("StateTable") {
            let fields = item.as_object_mut().unwrap();
            let [pk, sk] = ["pk", "sk"].map(|name| fields.remove(name).unwrap()["S"].as_str().unwrap().to_owned());
            fields.remove("version");
            let text = |name: &str| fields[name]["S"].as_str().unwrap().to_owned();
            match pk.split_once('#').unwrap_or_default() {
                ("USER", _) if sk.starts_with("PLAYLIST#") || sk.starts_with("SUBMISSION#") => {
                    assert!(mirrors.insert((pk, sk), item).is_none());
                }
                ("PLAYLIST", id) if sk == "DOC" => {
                    let key = (format!("USER#{}", text("owner")), format!("PLAYLIST#{id}"));
                    fields.insert("playlist".to_owned(), json!({"S": id}));
                    expected.insert(key, item);
                }
                ("PLAYLIST", id) => {
                    let key = (format!("USER#{}", text("artist")), format!("SUBMISSION#{id}#{}", text("track")));
                    assert_eq!((text("playlist").as_str(), sk), (id, format!("SUBMISSION#{}", text("track"))));
                    expected.insert(key, item);
                }
                _ => {}
            }
        }
        assert_eq!(mirrors, expected);
        self.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn track_is_submitted_reviewed_and_resubmitted() {
    let api = Api::start().await;
    api.describe("song", "ann").await;
    let created = api.put(SAM, "list", &[], &json!({"title": "Mornings", "description": "Quiet\nsongs"})).await;
    assert_eq!(created.status, 201);
    let expected = json!({
        "playlistId": "list", "ownerId": "sam", "title": "Mornings", "description": "Quiet\nsongs", "isOpen": true,
    });
    assert_eq!(created.body, expected);

    let first = api.submit(ANN, "list", &json!({"trackId": "song", "message": "Hello"})).await;
    assert_eq!(first.status, 201);
    let Value::Object(mut fields) = first.body.clone() else { panic!("{first:?}") };
    let submitted_at = fields.remove("submittedAt").unwrap();
    let expected = json!({
        "submissionId": "song", "playlistId": "list", "trackId": "song", "artistId": "ann", "status": "pending",
        "decidedAt": null,
    });
    assert_eq!(Value::Object(fields), expected);
    let again = api.submit(ANN, "list", &json!({"trackId": "song", "message": "Another word"})).await;
    assert_eq!((again.status.as_u16(), &again.body), (201, &first.body));

    let accepted = api.judge(SAM, "list", "song", &json!({"status": "accepted"})).await;
    assert_eq!((accepted.status.as_u16(), &accepted.body["status"]), (200, &json!("accepted")));
    assert_eq!(accepted.body["submittedAt"], submitted_at);
    assert!(accepted.body["decidedAt"].as_str().unwrap() >= submitted_at.as_str().unwrap());
    let same = api.judge(ROOT, "list", "song", &json!({"status": "accepted"})).await;
    assert_eq!(same.body, accepted.body, "who decides the same changes nothing");
    let standing = api.submit(ROOT, "list", &json!({"trackId": "song"})).await;
    assert_eq!((standing.status.as_u16(), &standing.body), (201, &accepted.body));
    assert_eq!(api.mirrored(ANN).await.1, [("song".to_owned(), Status::Accepted)]);

    let rejected = api.judge(ROOT, "list", "song", &json!({"status": "rejected"})).await;
    assert_eq!(rejected.body["status"], "rejected");
    assert_eq!(api.mirrored(ANN).await.1, [("song".to_owned(), Status::Rejected)]);
    let anew = api.submit(ANN, "list", &json!({"trackId": "song"})).await;
    assert_eq!(
        (anew.status.as_u16(), &anew.body["status"], &anew.body["decidedAt"]),
        (201, &json!("pending"), &Value::Null)
    );
    assert!(anew.body["submittedAt"].as_str().unwrap() >= rejected.body["decidedAt"].as_str().unwrap());

    // An admin submits for the track's artist.
    api.describe("other", "bob").await;
    let other = api.submit(ROOT, "list", &json!({"trackId": "other"})).await;
    assert_eq!((other.status.as_u16(), &other.body["artistId"]), (201, &json!("bob")));
    assert_eq!(api.mirrored(ROOT).await, (vec![], vec![]));
    assert_eq!(api.mirrored(BOB).await.1, [("other".to_owned(), Status::Pending)]);
    assert_eq!(api.mirrored(SAM).await.0, ["Mornings"]);
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn playlist_update_honours_version() {
    let api = Api::start().await;
    let list = |title: &str| json!({"title": title});
    api.put(SAM, "list", &[("if-match", "*")], &list("a")).await.is_problem(412);
    let first = api.put(SAM, "list", &[("if-none-match", "*")], &list("a")).await;
    assert_eq!(first.status, 201);
    api.put(SAM, "list", &[("if-none-match", "*")], &list("b")).await.is_problem(412);
    let tag = [("if-match", first.header("etag"))];
    let second = api.put(SAM, "list", &tag, &json!({"title": "b", "isOpen": false})).await;
    assert_eq!((second.status.as_u16(), &second.body["isOpen"]), (200, &json!(false)));
    assert_ne!(second.header("etag"), first.header("etag"));
    api.put(SAM, "list", &tag, &list("c")).await.is_problem(412);
    api.put(SAM, "list", &[("if-match", "\"\"")], &list("c")).await.is_problem(412);
    // Omitted fields are reset.
    let third = api.put(SAM, "list", &[("if-match", second.header("etag"))], &list("d")).await;
    assert_eq!((third.status.as_u16(), &third.body["isOpen"]), (200, &json!(true)));
    assert_eq!(api.mirrored(SAM).await.0, ["d"]);
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn playlists_and_submissions_require_their_owner() {
    let api = Api::start().await;
    api.describe("song", "ann").await;
    let list = json!({"title": "Mornings"});
    assert_eq!(api.put(SAM, "list", &[], &list).await.status, 201);
    for other in [EVE, ANN, Person("sam2", "student")] {
        api.put(other, "list", &[], &list).await.is_problem(403);
        api.put(other, "new", &[], &json!({"title": "a", "ownerId": "sam"})).await.is_problem(403);
    }
    api.put(SAM, "list", &[], &json!({"title": "a", "ownerId": "eve"})).await.is_problem(403);
    assert_eq!(api.put(SAM, "list", &[], &json!({"title": "Mornings", "ownerId": "sam"})).await.status, 200);

    let song = json!({"trackId": "song"});
    api.submit(ANN, "unknown", &song).await.is_problem(404);
    api.submit(ANN, "list", &json!({"trackId": "unknown"})).await.is_problem(404);
    // The owner of the playlist, another artist, and an artist's namesake of another role.
    for other in [SAM, BOB, Person("ann", "student"), Person("ann", "seller")] {
        api.submit(other, "list", &song).await.is_problem(403);
    }
    let accepted = json!({"status": "accepted"});
    api.judge(SAM, "list", "song", &accepted).await.is_problem(404);
    api.judge(SAM, "unknown", "song", &accepted).await.is_problem(404);
    api.judge(EVE, "list", "song", &accepted).await.is_problem(403);

    assert_eq!(api.submit(ANN, "list", &song).await.status, 201);
    for other in [ANN, BOB, EVE] {
        api.judge(other, "list", "song", &accepted).await.is_problem(403);
    }
    assert_eq!(api.mirrored(ANN).await.1, [("song".to_owned(), Status::Pending)]);
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_playlist_rejects_submissions() {
    let api = Api::start().await;
    for id in ["sent", "rejected", "late"] {
        api.describe(id, "ann").await;
    }
    api.put(SAM, "list", &[], &json!({"title": "Mornings"})).await;
    for id in ["sent", "rejected"] {
        assert_eq!(api.submit(ANN, "list", &json!({"trackId": id})).await.status, 201);
    }
    api.judge(SAM, "list", "rejected", &json!({"status": "rejected"})).await;
    api.put(SAM, "list", &[], &json!({"title": "Mornings", "isOpen": false})).await;
    for id in ["late", "rejected"] {
        let problem = api.submit(ANN, "list", &json!({"trackId": id})).await;
        assert_eq!(problem.is_problem(409)["detail"], "the playlist does not accept submissions");
        api.submit(ROOT, "list", &json!({"trackId": id})).await.is_problem(409);
    }
    // A repeated submission creates nothing new, and earlier ones can still be reviewed.
    assert_eq!(api.submit(ANN, "list", &json!({"trackId": "sent"})).await.status, 201);
    let judged = api.judge(SAM, "list", "sent", &json!({"status": "accepted"})).await;
    assert_eq!((judged.status.as_u16(), &judged.body["status"]), (200, &json!("accepted")));
    let standing = [("rejected".to_owned(), Status::Rejected), ("sent".to_owned(), Status::Accepted)];
    assert_eq!(api.mirrored(ANN).await.1, standing);
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transfer_moves_playlists_and_submissions_completely() {
    let api = Api::start().await;
    api.describe("song", "ann").await;
    api.put(SAM, "list", &[], &json!({"title": "Mornings"})).await;
    let kept = api.put(ROOT, "list", &[], &json!({"title": "Evenings"})).await;
    assert_eq!(kept.body["ownerId"], "sam", "an admin who names no owner leaves it with whom it is");
    let moved = api.put(ROOT, "list", &[], &json!({"title": "Nights", "ownerId": "eve"})).await;
    assert_eq!((moved.status.as_u16(), &moved.body["ownerId"]), (200, &json!("eve")));
    assert_eq!((api.mirrored(SAM).await.0, api.mirrored(EVE).await.0), (vec![], vec!["Nights".to_owned()]));
    api.put(SAM, "list", &[], &json!({"title": "Mine"})).await.is_problem(403);

    assert_eq!(api.submit(ANN, "list", &json!({"trackId": "song"})).await.status, 201);
    api.judge(EVE, "list", "song", &json!({"status": "rejected"})).await;
    api.describe("song", "bob").await;
    api.submit(ANN, "list", &json!({"trackId": "song"})).await.is_problem(403);
    let bobs = api.submit(BOB, "list", &json!({"trackId": "song"})).await;
    assert_eq!((bobs.status.as_u16(), &bobs.body["artistId"]), (201, &json!("bob")));
    assert_eq!(api.mirrored(ANN).await.1, []);
    assert_eq!(api.mirrored(BOB).await.1, [("song".to_owned(), Status::Pending)]);
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_invalid_fields_and_ids() {
    let api = Api::start().await;
    api.describe("song", "ann").await;
    let written = api.app.items("StateTable");
    let huge = "x".repeat(100_000);
    for (body, field) in [
        (json!([]), "body"),
        (json!(null), "body"),
        (json!({}), "title"),
        (json!({"title": " "}), "title"),
        (json!({"title": 7}), "title"),
        (json!({"title": ["a"]}), "title"),
        (json!({"title": "a\u{0}b"}), "title"),
        (json!({"title": "x".repeat(301)}), "title"),
        (json!({"title": "a", "description": {}}), "description"),
        (json!({"title": "a", "description": "a\u{0}b"}), "description"),
        (json!({"title": "a", "description": "x".repeat(1_001)}), "description"),
        (json!({"title": "a", "isOpen": "false"}), "isOpen"),
        (json!({"title": "a", "isOpen": 0}), "isOpen"),
        (json!({"title": "a", "ownerId": "a b"}), "ownerId"),
        (json!({"title": "a", "ownerId": "x".repeat(65)}), "ownerId"),
    ] {
        let answer = api.put(SAM, "list", &[], &body).await;
        assert_eq!(answer.is_problem(422)["errors"][0]["field"], field, "{body}");
    }
    for (body, field) in [
        (json!("song"), "body"),
        (json!({}), "trackId"),
        (json!({"trackId": null}), "trackId"),
        (json!({"trackId": 1}), "trackId"),
        (json!({"trackId": "a\u{0}b"}), "trackId"),
        (json!({"trackId": "song#DOC"}), "trackId"),
        (json!({"trackId": "x".repeat(10_000)}), "trackId"),
        (json!({"trackId": "song", "message": true}), "message"),
        (json!({"trackId": "song", "message": "\u{1b}[2J"}), "message"),
        (json!({"trackId": "song", "message": "é".repeat(1_001)}), "message"),
    ] {
        let answer = api.submit(ANN, "list", &body).await;
        assert_eq!(answer.is_problem(422)["errors"][0]["field"], field, "{body:.80}");
    }
    for body in [
        json!({}),
        json!({"status": null}),
        json!({"status": "pending"}),
        json!({"status": "Accepted"}),
        json!({"status": "accepted\u{0}"}),
        json!({"status": ["accepted"]}),
        json!({"status": true}),
    ] {
        let answer = api.judge(SAM, "list", "song", &body).await;
        assert_eq!(answer.is_problem(422)["errors"][0]["field"], "status", "{body}");
    }
    api.put(SAM, "list", &[], &json!({"title": huge})).await.is_problem(413);
    api.submit(ANN, "list", &json!({"trackId": huge})).await.is_problem(413);
    api.judge(SAM, "list", "song", &json!({"status": huge})).await.is_problem(413);
    let (list, song, accepted) = (json!({"title": "a"}), json!({"trackId": "song"}), json!({"status": "accepted"}));
    for id in ["a%00b", "a%20b", "a%23b", "%2e%2e%2f", &"x".repeat(65), &"x".repeat(8_000)] {
        let answer = api.put(SAM, id, &[], &list).await;
        assert_eq!(answer.is_problem(422)["errors"][0]["field"], "playlistId", "{id:.80}");
        let answer = api.submit(ANN, id, &song).await;
        assert_eq!(answer.is_problem(422)["errors"][0]["field"], "playlistId", "{id:.80}");
        let answer = api.judge(SAM, id, "song", &accepted).await;
        assert_eq!(answer.is_problem(422)["errors"][0]["field"], "playlistId", "{id:.80}");
        let answer = api.judge(SAM, "list", id, &accepted).await;
        assert_eq!(answer.is_problem(422)["errors"][0]["field"], "submissionId", "{id:.80}");
    }
    // The gateway itself takes no such paths.
    let token = api.token(SAM);
    let json_type = ("content-type", "application/json");
    let headers = [json_type, ("authorization", token.as_str())];
    for id in ["%ff", &huge[..60_000]] {
        let answer = api.app.send(Method::PUT, &format!("/api/playlists/{id}"), &headers, list.to_string()).await;
        assert!(answer.status.is_client_error(), "{answer:?}");
    }
    for (method, path) in [
        (Method::PUT, "/api/playlists/list"),
        (Method::POST, "/api/playlists/list/submissions"),
        (Method::PATCH, "/api/playlists/list/submissions/song"),
    ] {
        for body in ["", "{", "\u{0}", "{\"title\": \"\\ud800\"}"] {
            api.app.send(method.clone(), path, &headers, body).await.is_problem(400);
        }
        let as_text = [("content-type", "text/plain"), headers[1]];
        api.app.send(method, path, &as_text, "{}").await.is_problem(415);
    }
    assert_eq!(api.app.items("StateTable"), written);
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn playlists_require_valid_token() {
    let api = Api::start().await;
    let app = &api.app;
    let json_type = ("content-type", "application/json");
    let forged = forged(&api.token(SAM));
    for (method, path, body) in [
        (Method::PUT, "/api/playlists/list", json!({"title": "a"})),
        (Method::POST, "/api/playlists/list/submissions", json!({"trackId": "song"})),
        (Method::PATCH, "/api/playlists/list/submissions/song", json!({"status": "accepted"})),
    ] {
        for credentials in [forged.as_str(), "Bearer a.b.c", "Bearer ", "x"] {
            let headers = [json_type, ("authorization", credentials)];
            app.send(method.clone(), path, &headers, body.to_string()).await.is_problem(401);
        }
        for headers in [vec![json_type], vec![json_type, ("x-write-key", app.cloud.write_key())]] {
            let answer = app.send(method.clone(), path, &headers, body.to_string()).await;
            assert_eq!((answer.status.as_u16(), answer.body), (401, json!({"message": "Unauthorized"})));
        }
    }
    assert_eq!(app.items("StateTable"), 0);
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cors_allows_patch_for_allowed_origins() {
    let api = Api::start().await;
    let headers = [("origin", "http://localhost:3000"), ("access-control-request-method", "PATCH")];
    let path = "/api/playlists/list/submissions/song";
    let answer = api.app.send(Method::OPTIONS, path, &headers, "").await;
    let allowed: Vec<&str> = answer.header("access-control-allow-methods").split(',').map(str::trim).collect();
    assert!(["PUT", "PATCH", "DELETE"].iter().all(|method| allowed.contains(method)), "{answer:?}");
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_submissions_create_one() {
    let api = Api::start().await;
    api.describe("song", "ann").await;
    api.put(SAM, "list", &[], &json!({"title": "Mornings"})).await;
    let song = json!({"trackId": "song"});
    let answers = futures::future::join_all((0..20).map(|_| api.submit(ANN, "list", &song))).await;
    for answer in &answers {
        assert_eq!((answer.status.as_u16(), &answer.body), (201, &answers[0].body), "{answer:?}");
    }
    assert_eq!(api.mirrored(ANN).await.1.len(), 1);

    // Concurrent reviews disagree: one is last, and every caller gets the state at that time.
    let words = [json!({"status": "accepted"}), json!({"status": "rejected"})];
    let judged = (0..20).map(|n| api.judge(SAM, "list", "song", &words[n % 2]));
    for (answer, word) in futures::future::join_all(judged).await.iter().zip(words.iter().cycle()) {
        assert_eq!((answer.status.as_u16(), &answer.body["status"]), (200, &word["status"]), "{answer:?}");
    }

    // One of the concurrent creations succeeds, and one of the updates of a version.
    let (none, title) = ([("if-none-match", "*")], json!({"title": "a"}));
    let put = (0..20).map(|_| api.put(EVE, "race", &none, &title));
    let created: Vec<Answer> = futures::future::join_all(put).await;
    let mut statuses: Vec<u16> = created.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (201, [412; 19].as_slice()));
    let tag = created.iter().find(|answer| answer.status == 201).unwrap().header("etag");
    let held = [("if-match", tag)];
    let put = (0..20).map(|_| api.put(EVE, "race", &held, &title));
    let mut statuses: Vec<u16> =
        futures::future::join_all(put).await.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, [412; 19].as_slice()));

    // An owner who loses the playlist in between leaves no mirror behind.
    let owners = ["sam", "eve", "ann", "bob"];
    let titles: Vec<Value> =
        (0..20).map(|n| json!({"title": format!("{n}"), "ownerId": owners[n % owners.len()]})).collect();
    let put = titles.iter().map(|body| api.put(ROOT, "race", &[], body));
    for answer in futures::future::join_all(put).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outage_leaves_documents_and_mirrors_equal() {
    let (faults, calls) = outage();
    let app = App::start_with(|options| options.faults = Some(Arc::new(faults))).await;
    let api = Api { client: Client::of(app) };
    let token = api.token(ROOT);
    let insist = async |method: Method, path: &str, body: Value| loop {
        let headers = [("content-type", "application/json"), ("authorization", token.as_str())];
        let answer = api.app.send(method.clone(), path, &headers, body.to_string()).await;
        if answer.status.is_success() {
            break answer;
        }
        answer.is_problem(503);
    };
    insist(Method::PUT, "/api/playlists/list", json!({"title": "Mornings", "ownerId": "sam"})).await;
    for n in 0..10 {
        let track = json!({"title": "Song", "durationSeconds": 60, "artistId": "ann"});
        insist(Method::PUT, &format!("/api/tracks/t{n}"), track).await;
        insist(Method::POST, "/api/playlists/list/submissions", json!({"trackId": format!("t{n}")})).await;
        let status = if n % 2 == 0 { "accepted" } else { "rejected" };
        let path = format!("/api/playlists/list/submissions/t{n}");
        let judged = insist(Method::PATCH, &path, json!({"status": status})).await;
        assert_eq!(judged.body["status"], status);
    }
    insist(Method::PUT, "/api/playlists/list", json!({"title": "Mornings", "ownerId": "eve"})).await;
    assert!(calls.load(Ordering::Relaxed) > 100);
    let submitted = api.mirrored(ANN).await.1;
    assert_eq!(submitted.len(), 10);
    assert_eq!(submitted.iter().filter(|(_, status)| *status == Status::Accepted).count(), 5);
    assert_eq!((api.mirrored(SAM).await.0.len(), api.mirrored(EVE).await.0.len()), (0, 1));
    api.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_every_page_of_many_playlists() {
    let app = App::start().await;
    let api = Api { client: Client::of(app) };
    let playlists = api.playlists();
    let owner = "sam".parse().unwrap();
    // A page is at most 1 MiB.
    let playlist = Playlist {
        title: "Mornings".to_owned(),
        owner: "sam".parse().unwrap(),
        description: Some("\u{1f30d}".repeat(1_000)),
        is_open: true,
    };
    for n in 0..300 {
        playlists.put(&format!("p{n:03}").parse().unwrap(), &playlist, None).await.unwrap();
    }
    let read = playlists.of_owner(&owner).await.unwrap();
    assert_eq!(read.len(), 300);
    for (n, (id, read)) in read.iter().enumerate() {
        assert_eq!((id.as_str(), read), (format!("p{n:03}").as_str(), &playlist));
    }
    assert_eq!(playlists.submissions_of(&owner).await.unwrap(), []);
    api.app.finish().await;
}
