//! Access to audits and their reports, and the schedule that starts audits.

use http::Method;
use serde_json::{Value, json};

use super::api::{ANN, AUDIT, AUDITS, Api, EVE, Findings, Person, ROOT, SAM, TIM, findings};
use crate::support::client::forged;
use crate::tidy::read;

#[tokio::test(flavor = "multi_thread")]
async fn audits_require_admin() {
    let api = Api::start().await;
    let nothing = api.app.scan("StatsTable");
    for person in [TIM, EVE, SAM, ANN, Person("root", "teacher")] {
        for (route, of) in [
            ((Method::POST, AUDITS), ""),
            ((Method::GET, AUDITS), ""),
            ((Method::GET, AUDIT), "a"),
            ((Method::GET, AUDIT), "a%20b"),
        ] {
            let problem = api.call(route, of, person, &[], "").await;
            assert_eq!(problem.is_problem(403)["detail"], "only an admin may start and read audits");
        }
    }
    let forged = forged(&api.token(ROOT));
    for (method, path) in [(Method::POST, AUDITS), (Method::GET, AUDITS), (Method::GET, "/api/admin/audits/a")] {
        for credentials in [forged.as_str(), "Bearer a.b.c", "Bearer ", "x"] {
            api.app.send(method.clone(), path, &[("authorization", credentials)], "").await.is_problem(401);
        }
        for headers in [vec![], vec![("x-write-key", api.app.cloud.write_key())]] {
            let answer = api.app.send(method.clone(), path, &headers, "").await;
            assert_eq!((answer.status.as_u16(), answer.body), (401, json!({"message": "Unauthorized"})), "{path}");
        }
    }
    api.app.settled().await;
    assert_eq!(api.app.scan("StatsTable"), nothing, "nothing has begun");
    api.app.finish().await;
}

async fn listed(api: &Api) -> Vec<(String, String)> {
    let answer = api.call((Method::GET, AUDITS), "", ROOT, &[], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let audits = answer.body["audits"].as_array().unwrap().iter();
    audits.map(|audit| (text(&audit["auditId"]), text(&audit["startedAt"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_audit_is_not_found() {
    let api = Api::start().await;
    assert_eq!(listed(&api).await, []);
    let unknown = api.call((Method::GET, AUDIT), "unknown", ROOT, &[], "").await;
    assert_eq!(unknown.is_problem(404)["detail"], "there is no audit unknown");
    for malformed in ["a%20b", "a%23b", &"x".repeat(65), "%00"] {
        let answer = api.call((Method::GET, AUDIT), malformed, ROOT, &[], "").await;
        assert_eq!(answer.is_problem(422)["errors"][0]["field"], "auditId", "{malformed}");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_latest_audits_newest_first() {
    let api = Api::start().await;
    let mut begun = Vec::new();
    for _ in 0..22 {
        let audit = api.begin().await;
        begun.insert(0, (audit.clone(), api.report(&audit).await["startedAt"].as_str().unwrap().to_owned()));
        api.forward(1);
    }
    assert_eq!(listed(&api).await, begun[..20]);
    api.app.settled().await;
    for (audit, _) in &begun {
        assert_eq!(api.report(audit).await["status"], "done");
    }
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schedule_starts_audits() {
    let api = Api::start().await;
    let event: Value = serde_json::from_str(&read("functions/start-audit/events/schedule.json")).unwrap();
    let begun = api.app.invoke("StartAuditFunction", &event).await.unwrap();
    let audit = begun["auditId"].as_str().unwrap();
    api.app.settled().await;
    let report = api.report(audit).await;
    assert_eq!((&report["status"], findings(&report)), (&json!("done"), Findings::new()));
    assert_eq!((&begun["scope"], &report["scope"]), (&json!("full"), &json!("full")), "the first is always a full one");
    assert_eq!(listed(&api).await.len(), 1);
    // As the template has it.
    for (schedule, scope) in [("StartAuditFunctionEveryDay", "changes"), ("StartAuditFunctionEveryMonth", "full")] {
        assert!(api.app.cloud.fire(schedule).await);
        api.app.settled().await;
        let newest = listed(&api).await.remove(0).0;
        assert_eq!(api.report(&newest).await["scope"], scope, "{schedule}");
    }
    let all = listed(&api).await;
    assert_eq!(all.len(), 3);
    for (audit, _) in all {
        assert_eq!(api.report(&audit).await["status"], "done");
    }
    api.app.finish().await;
}
