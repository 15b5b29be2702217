//! Redelivered tasks, malformed tasks, and the metric of the alarm.

use std::sync::Arc;

use serde_json::{Value, json};

use super::api::{Api, Findings, findings, key};
use super::corruption::Vandal;
use super::shop;
use crate::metrics::Lines;

/// The message of an audit task.
pub(super) fn leg(audit: &str, walk: &Value) -> String {
    json!({"audit": audit, "walk": walk}).to_string()
}

/// The tasks of an audit of the shop. The first eight cover the ledger.
pub(super) fn walks() -> Vec<Value> {
    let mut walks: Vec<Value> = (0..8).map(|segment| json!({"ledger": {"segment": segment}})).collect();
    for month in ["2026-01", "2026-02", "2026-03", "2026-04"] {
        walks.extend(["items", "revenue"].map(|walk| json!({walk: {"month": month}})));
    }
    walks.extend(["2026-01", "2026-02", "2026-03"].map(|month| json!({"cohort": {"month": month}})));
    walks
}

/// The event with which the queue delivers this task.
pub(super) fn delivery(body: &str) -> Value {
    json!({"Records": [{
        "messageId": "m", "receiptHandle": "h", "body": body,
        "attributes": {"ApproximateReceiveCount": "2"}, "messageAttributes": {}, "md5OfBody": "",
        "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:q", "awsRegion": "us-east-1",
    }]})
}

#[tokio::test(flavor = "multi_thread")]
async fn redelivered_task_counts_once() {
    let mut api = Api::start().await;
    let (shop, _) = shop::open(&mut api).await;
    let audit = api.begin().await;
    api.app.settled().await;
    let done = api.report(&audit).await;
    assert_eq!((&done["status"], findings(&done), &done["checked"]), (&json!("done"), Findings::new(), &shop.counts()));

    // All come once more, some by two at once and then by another; what they find wrong now counts, once.
    Vandal::comes(&mut api).await.add("REVENUE", "M#2026-03#PRODUCT", "gross#EUR@card", 7);
    let queue = api.app.cloud.queue("AuditQueue").unwrap();
    for walk in &walks() {
        let delivered = delivery(&leg(&audit, walk));
        let again = (0..2).map(|_| api.app.invoke("AuditWorkerFunction", &delivered));
        for answer in futures::future::join_all(again).await {
            assert_eq!(answer.unwrap(), json!({"batchItemFailures": []}), "{walk}");
        }
        api.app.cloud.queues().send(queue, &leg(&audit, walk)).unwrap();
    }
    api.app.settled().await;
    let again = api.report(&audit).await;
    let expected = json!([{"type": "revenue", "subject": "REVENUE/M#2026-03#PRODUCT", "repaired": true}]);
    assert_eq!((&again["findings"], &again["found"]["revenue"]), (&expected, &json!(1)));
    assert_eq!((&again["status"], &again["checked"]), (&json!("done"), &shop.counts()));
    assert_eq!(api.found().await, Findings::new());
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn task_of_unknown_audit_repairs_and_starts_no_audit() {
    let mut api = Api::start().await;
    shop::open(&mut api).await;
    let vandal = Vandal::comes(&mut api).await;
    vandal.add("REVENUE", "M#2026-03#PRODUCT", "gross#EUR@card", 7);
    let delivered = delivery(&leg("nobody-s", &json!({"revenue": {"month": "2026-03"}})));
    let answer = vandal.api().app.invoke("AuditWorkerFunction", &delivered).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": []}));
    let unknown = (http::Method::GET, super::api::AUDIT);
    vandal.api().call(unknown, "nobody-s", super::api::ROOT, &[], "").await.is_problem(404);
    vandal.mended().await;
    api.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_dead_lettered_and_its_batch_completes() {
    let mut api = Api::start().await;
    let (shop, _) = shop::open(&mut api).await;
    Vandal::comes(&mut api).await.add("REVENUE", "M#2026-03#PRODUCT", "gross#EUR@card", 7);
    let queue = api.app.cloud.queue("AuditQueue").unwrap().to_owned();
    let poison = [
        "garbage".to_owned(),
        "{}".to_owned(),
        leg("a", &json!({"nowhere": {}})),
        leg("a", &json!({"ledger": {"segment": "first"}})),
        leg("a", &json!({"ledger": {"segment": 0, "to": "nowhere"}})),
        leg("a b", &json!({"ledger": {"segment": 0}})),
        leg("a", &json!({"items": {"month": "2026-13"}})),
        leg("a", &json!({"revenue": {"month": "March"}})),
        leg("a", &json!({"cohort": {"month": "2026-03-01"}})),
    ];
    for body in &poison {
        api.app.cloud.queues().send(&queue, body).unwrap();
    }
    let audit = api.begin().await;
    let total = json!({"Key": key(&format!("AUDIT#{audit}"), "T"), "ConsistentRead": true});
    api.app
        .eventually("the audit is done", || {
            let total = &api.app.database("GetItem", "StatsTable", total.clone())["Item"];
            total["ended"] == total["begun"]
        })
        .await;
    let report = api.report(&audit).await;
    assert_eq!((&report["status"], &report["checked"]), (&json!("done"), &shop.counts()));
    assert_eq!(findings(&report), [("revenue".to_owned(), "REVENUE/M#2026-03#PRODUCT".to_owned())].into());
    // Each try hides a message for six minutes; the fifth is the last.
    api.app
        .eventually("the poison is among the dead letters", || {
            if api.app.cloud.queues().depth(&queue).unwrap().visible == 0 {
                api.forward(1);
            }
            api.app.queue_depth("AuditFailuresQueue") == poison.len() as u64
        })
        .await;
    assert_eq!(api.app.queue_depth("AuditQueue"), 0);
    api.app.finish_with_failures(&["AuditFailuresQueue"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_emitted_as_metric() {
    let lines = Arc::new(Lines::default());
    let mut api = Api::start_with(|options| options.metrics = lines.clone()).await;
    shop::open(&mut api).await;
    let sum = |lines: &[Value]| lines.iter().map(|line| line["auditFindings"].as_f64().unwrap()).sum::<f64>();
    assert_eq!(api.found().await, Findings::new());
    assert!(lines.take("auditFindings").is_empty());
    let vandal = Vandal::comes(&mut api).await;
    vandal.add("REVENUE", "M#2026-03#PRODUCT", "gross#EUR@card", 7);
    vandal.lose("OWNER#u:sam", "PACKAGE#p");
    let report = api.audited().await;
    assert_eq!(findings(&report).len(), 2);
    let found = lines.take("auditFindings");
    assert_eq!(sum(&found), 2.0);
    for line in &found {
        let declared = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(declared["Namespace"], "Tally");
        assert_eq!(declared["Metrics"], json!([{"Name": "auditFindings", "Unit": "Count"}]));
        assert_eq!(declared["Dimensions"], json!([["stack", "function"]]));
        assert_eq!((&line["stack"], &line["function"]), (&json!("tally"), &json!("audit-worker")));
    }
    api.app.finish().await;
}
